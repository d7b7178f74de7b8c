import { Badge, Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/client";
import { apiHref } from "../../lib/root";
import { DataTable } from "../../ui/DataTable";
import { Icon, type IconName } from "../../ui/Icon";
import { Empty } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { tell, tellFailure } from "../../ui/toast";
import { useFormat } from "../../ui/useFormat";
import { type Rate, ratesQuery } from "./api";

const LOOKS: Record<string, [color: string, icon: IconName]> = {
  inForce: ["teal", "check"],
  planned: ["blue", "queue"],
};

/** The price book: what is in force, what is planned, what was. */
export function RateTable({ rates, mayWrite }: { rates: Rate[]; mayWrite: boolean }) {
  const { t } = useTranslation("rates");
  const format = useFormat();
  const columns = useMemo<Column<Rate>[]>(
    () => [
      { id: "modelId", header: t("column.model"), value: (row) => row.modelId, filter: "values" },
      {
        id: "what",
        header: t("column.what"),
        value: (row) => row.profileName ?? row.kind,
        cell: (row) => row.profileName ?? t(`kind.${row.kind}`),
      },
      {
        id: "where",
        header: t("column.where"),
        value: (row) => row.nodePool ?? row.clusterName,
        cell: (row) => row.nodePool ?? row.clusterName ?? t("anywhere"),
        hidden: !rates.some((row) => row.nodePool ?? row.clusterName),
      },
      {
        id: "costPerHour",
        header: t("column.price"),
        align: "end",
        value: (row) => row.costPerHour,
        cell: (row) => <b>{format.money(row.costPerHour, 4)}</b>,
      },
      {
        id: "state",
        header: t("column.state"),
        value: (row) => row.state,
        filter: ["inForce", "planned", "past"].map((value) => ({
          value,
          label: t(`state.${value}`),
        })),
        cell: (row) => <State state={row.state} />,
      },
      {
        id: "effectiveFrom",
        header: t("column.from"),
        value: (row) => row.effectiveFrom,
        cell: (row) =>
          row.effectiveFrom.startsWith("1970") ? t("always") : format.time(row.effectiveFrom),
      },
      {
        id: "effectiveUntil",
        header: t("column.until"),
        value: (row) => row.effectiveUntil,
        cell: (row) => format.time(row.effectiveUntil),
        hidden: true,
      },
      {
        id: "note",
        header: t("column.note"),
        value: (row) => row.note,
        cell: (row) => <span title={row.note ?? ""}>{row.note ?? row.source}</span>,
        hidden: true,
      },
      {
        id: "createdBy",
        header: t("column.by"),
        value: (row) => row.createdBy ?? row.source,
        hidden: true,
      },
      ...(mayWrite
        ? [
            {
              id: "withdraw",
              header: "",
              cell: (row: Rate) => row.state === "planned" && <Withdraw rate={row} />,
            },
          ]
        : []),
    ],
    [t, format, mayWrite, rates],
  );
  return (
    <DataTable
      label={t("title")}
      rows={rates}
      columns={columns}
      rowKey={(row) => String(row.id)}
      sort="modelId"
      csvHref={apiHref("/api/v1/gpu/rates", { format: "csv" })}
      empty={<Empty title={t("empty.title")} hint={t("empty.hint")} icon="rates" />}
    />
  );
}

function State({ state }: { state: string }) {
  const { t } = useTranslation("rates");
  const [color, icon] = LOOKS[state] ?? (["gray", "off"] as const);
  return (
    <Badge
      color={color}
      variant="light"
      radius="sm"
      tt="none"
      className="state-badge"
      style={{ maxWidth: "none" }}
      leftSection={<Icon name={icon} size={13} />}
    >
      {t(`state.${state}`)}
    </Badge>
  );
}

/** Take a planned price back; it goes at once, and returns when the server refuses. */
function Withdraw({ rate }: { rate: Rate }) {
  const { t } = useTranslation("rates");
  const client = useQueryClient();
  const key = ratesQuery.queryKey;
  const withdraw = useMutation({
    mutationFn: () =>
      api.DELETE("/api/v1/gpu/rates/{rateId}", { params: { path: { rateId: rate.id } } }),
    onMutate: async () => {
      await client.cancelQueries({ queryKey: key });
      const before = client.getQueryData(key);
      client.setQueryData(
        key,
        before && { ...before, rows: before.rows.filter((one) => one.id !== rate.id) },
      );
      return { before };
    },
    onSuccess: () => tell(t("withdraw.done"), rate.modelId),
    onError: (error, _nothing, kept) => {
      client.setQueryData(key, kept?.before);
      tellFailure(t("withdraw.failed"), error);
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["rates"] }),
  });
  return (
    <Button size="compact-xs" variant="default" onClick={() => withdraw.mutate()}>
      {t("withdraw.send")}
    </Button>
  );
}
