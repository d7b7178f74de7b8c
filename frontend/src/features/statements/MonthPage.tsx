import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/client";
import { DataTable } from "../../ui/DataTable";
import { Page } from "../../ui/Page";
import { useMay } from "../../ui/session";
import { Async, Empty } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { tell, tellFailure } from "../../ui/toast";
import { useFormat } from "../../ui/useFormat";
import { type MonthStatement, monthQuery, type TeamSums, UNASSIGNED } from "./api";
import { MonthState, Papers, Sums } from "./parts";

/** A month by team: what each pays, and the way to close it. */
export default function MonthPage() {
  const { t } = useTranslation("statements");
  const { month = "" } = useParams({ strict: false }) as { month?: string };
  const found = useQuery(monthQuery(month));
  const shown = found.data;
  return (
    <Page
      title={month}
      crumbs={[{ label: t("title"), to: "/statements" }]}
      lead={shown && <MonthState status={shown.status} />}
      actions={
        <>
          <Papers path={`/api/v1/gpu/statements/${month}`} />
          {shown && <Close statement={shown} />}
        </>
      }
    >
      <Async query={found} rows={8}>
        {(statement) => (
          <Stack gap="md">
            <Sums statement={statement} />
            <Teams statement={statement} />
          </Stack>
        )}
      </Async>
    </Page>
  );
}

function Teams({ statement }: { statement: MonthStatement }) {
  const { t } = useTranslation("statements");
  const format = useFormat();
  const columns = useMemo<Column<TeamSums>[]>(
    () => [
      {
        id: "teamId",
        header: t("column.team"),
        value: (row) => row.teamId,
        cell: (row) => (
          <Link to={`/statements/${statement.month}/${encodeURIComponent(row.teamId)}` as never}>
            {row.teamId === UNASSIGNED ? t("unassigned") : row.teamId}
          </Link>
        ),
      },
      {
        id: "totalCost",
        header: t("column.total"),
        align: "end",
        value: (row) => row.totalCost,
        cell: (row) => <b>{format.money(row.totalCost, 2)}</b>,
      },
      {
        id: "share",
        header: t("column.share"),
        align: "end",
        value: (row) => row.totalCost,
        cell: (row) =>
          format.ratio(statement.totalCost > 0 ? row.totalCost / statement.totalCost : null, 1),
      },
      {
        id: "usageCost",
        header: t("column.usage"),
        align: "end",
        value: (row) => row.usageCost,
        cell: (row) => format.money(row.usageCost, 2),
      },
      {
        id: "adjustmentCost",
        header: t("column.adjustment"),
        align: "end",
        value: (row) => row.adjustmentCost,
        cell: (row) => format.money(row.adjustmentCost, 2),
      },
      {
        id: "gpuHours",
        header: t("column.hours"),
        align: "end",
        value: (row) => row.gpuHours,
        cell: (row) => format.number(row.gpuHours, 1),
      },
    ],
    [t, format, statement],
  );
  return (
    <DataTable
      label={t("column.team")}
      rows={statement.teams}
      columns={columns}
      rowKey={(row) => row.teamId}
      sort="-totalCost"
      empty={<Empty title={t("empty.title")} hint={t("empty.hint")} icon="statement" />}
    />
  );
}

function Close({ statement }: { statement: MonthStatement }) {
  const { t } = useTranslation("statements");
  const format = useFormat();
  const client = useQueryClient();
  const mayClose = useMay("billing.write");
  const [isOpen, setOpen] = useState(false);
  const { month } = statement;
  const close = useMutation({
    mutationFn: () =>
      api.POST("/api/v1/gpu/billing/months/{month}/close", { params: { path: { month } } }),
    onSuccess: () => tell(t("close.done"), month),
    onError: (error) => tellFailure(t("close.failed"), error),
    onSettled: () => {
      setOpen(false);
      void client.invalidateQueries({ queryKey: ["statements"] });
    },
  });
  const isOver = new Date(statement.periodEnd).getTime() <= Date.now();
  if (!mayClose || statement.status === "closed" || !isOver) return null;
  return (
    <>
      <Button onClick={() => setOpen(true)}>{t("close.open")}</Button>
      <Modal
        opened={isOpen}
        onClose={() => setOpen(false)}
        title={t("close.title", { month })}
        closeButtonProps={{ "aria-label": t("app:action.close") }}
      >
        <Stack>
          <Text size="sm">{t("close.hint", { total: format.money(statement.totalCost, 2) })}</Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setOpen(false)}>
              {t("app:action.cancel")}
            </Button>
            <Button loading={close.isPending} onClick={() => close.mutate()}>
              {t("close.send")}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
