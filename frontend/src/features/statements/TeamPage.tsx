import { SimpleGrid, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Meter } from "../../ui/Bars";
import { DataTable } from "../../ui/DataTable";
import { Figure } from "../../ui/Figure";
import { Page } from "../../ui/Page";
import { Async, Empty, Panel } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import { type StatementLine, type TeamStatement, teamQuery } from "./api";
import { MonthState, Papers } from "./parts";

/** What a team pays for a month, and for what. */
export default function TeamPage() {
  const { t } = useTranslation("statements");
  const { month = "", teamId = "" } = useParams({ strict: false }) as {
    month?: string;
    teamId?: string;
  };
  const found = useQuery(teamQuery(month, teamId));
  return (
    <Page
      title={`${teamId === "unassigned" ? t("unassigned") : teamId} · ${month}`}
      crumbs={[
        { label: t("title"), to: "/statements" },
        { label: month, to: `/statements/${month}` },
      ]}
      lead={found.data && <MonthState status={found.data.status} />}
      actions={<Papers path={`/api/v1/gpu/statements/${month}/${encodeURIComponent(teamId)}`} />}
    >
      <Async query={found} rows={10}>
        {(statement) => (
          <Stack gap="md">
            <Sums statement={statement} />
            <SimpleGrid cols={{ base: 1, md: 2, xl: 4 }}>
              <Parts title={t("by.namespace")} parts={statement.byNamespace} />
              <Parts title={t("by.user")} parts={statement.byUser} />
              <Parts title={t("by.model")} parts={statement.byModel} />
              <Parts title={t("by.profile")} parts={statement.byProfile} />
            </SimpleGrid>
            <Lines lines={statement.lines} />
          </Stack>
        )}
      </Async>
    </Page>
  );
}

function Sums({ statement }: { statement: TeamStatement }) {
  const { t } = useTranslation("statements");
  const format = useFormat();
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }}>
      <Figure
        label={t("column.total")}
        value={format.money(statement.totalCost, 2)}
        note={t("asOf", { time: format.time(statement.asOf) })}
      />
      <Figure label={t("column.usage")} value={format.money(statement.usageCost, 2)} />
      <Figure label={t("column.adjustment")} value={format.money(statement.adjustmentCost, 2)} />
      <Figure label={t("column.hours")} value={format.number(statement.gpuHours, 1)} />
    </SimpleGrid>
  );
}

function Parts({ title, parts }: { title: string; parts: Record<string, number> }) {
  const { t } = useTranslation("statements");
  const format = useFormat();
  const rows = Object.entries(parts).sort((one, other) => other[1] - one[1]);
  const total = rows.reduce((sum, [, cost]) => sum + cost, 0);
  return (
    <Panel title={title}>
      {rows.slice(0, 8).map(([name, cost]) => (
        <Meter
          key={name}
          label={name === "whole card" ? t("wholeCard") : name}
          ratio={total > 0 ? cost / total : null}
          shown={format.money(cost, 2)}
        />
      ))}
    </Panel>
  );
}

function Lines({ lines }: { lines: StatementLine[] }) {
  const { t } = useTranslation("statements");
  const format = useFormat();
  const columns = useMemo<Column<StatementLine>[]>(
    () => [
      {
        id: "kind",
        header: t("column.kind"),
        value: (row) => row.kind,
        cell: (row) =>
          row.kind === "usage" ? t("kind.usage") : t("kind.adjustment", { month: row.originMonth }),
      },
      { id: "namespace", header: t("by.namespace"), value: (row) => row.namespace },
      { id: "userId", header: t("by.user"), value: (row) => row.userId },
      { id: "modelId", header: t("by.model"), value: (row) => row.modelId },
      {
        id: "profileName",
        header: t("by.profile"),
        value: (row) => row.profileName,
        cell: (row) => row.profileName ?? t("wholeCard"),
      },
      {
        id: "gpuHours",
        header: t("column.hours"),
        align: "end",
        value: (row) => row.gpuHours,
        cell: (row) => format.number(row.gpuHours, 2),
      },
      {
        id: "cost",
        header: t("column.cost"),
        align: "end",
        value: (row) => row.cost,
        cell: (row) => format.money(row.cost, 2),
      },
    ],
    [t, format],
  );
  return (
    <DataTable
      label={t("column.lines")}
      rows={lines}
      columns={columns}
      rowKey={(row) =>
        `${row.kind} ${row.originMonth} ${row.namespace} ${row.userId} ${row.modelId} ${row.profileName} ${row.workloadType}`
      }
      sort="-cost"
      empty={<Empty title={t("empty.title")} hint={t("empty.hint")} icon="statement" />}
    />
  );
}
