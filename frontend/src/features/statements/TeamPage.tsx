import { SimpleGrid, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { BUCKETS } from "../../lib/colors";
import { Meter, SplitBar } from "../../ui/Bars";
import { DataTable } from "../../ui/DataTable";
import { Page } from "../../ui/Page";
import { useMay } from "../../ui/session";
import { Async, Empty, Panel } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import { partsQuery, type StatementLine, type TeamStatement, teamQuery, UNASSIGNED } from "./api";
import { MonthState, Papers, Sums } from "./parts";

const PARTS = ["used", "idle", "unattributed"] as const;

/** What a team pays for a month, and for what. */
export default function TeamPage() {
  const { t } = useTranslation("statements");
  const { month = "", teamId = "" } = useParams({ strict: false }) as {
    month?: string;
    teamId?: string;
  };
  const seesAll = useMay("cost.read");
  const found = useQuery(teamQuery(month, teamId));
  // A member of a team has no month of everybody to go back to.
  const above = seesAll ? [{ label: month, to: `/statements/${month}` }] : [];
  return (
    <Page
      title={`${teamId === UNASSIGNED ? t("unassigned") : teamId} · ${month}`}
      crumbs={[{ label: t("title"), to: "/statements" }, ...above]}
      lead={found.data && <MonthState status={found.data.status} />}
      actions={<Papers path={`/api/v1/gpu/statements/${month}/${encodeURIComponent(teamId)}`} />}
    >
      <Async query={found} rows={10}>
        {(statement) => (
          <Stack gap="md">
            <Sums statement={statement} />
            <UsedParts statement={statement} seesAll={seesAll} />
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

/** Of what was held in the month itself; adjustments of other months are not in it. */
function UsedParts({ statement, seesAll }: { statement: TeamStatement; seesAll: boolean }) {
  const { t } = useTranslation("statements");
  const format = useFormat();
  const found = useQuery(partsQuery(statement, seesAll));
  return (
    <Panel title={t("used.title")} note={t("used.note")}>
      <Async query={found} rows={2}>
        {(list) => (
          <SplitBar
            label={t("used.title")}
            parts={PARTS.map((part) => {
              const cost = list.rows.reduce((sum, row) => sum + row[`${part}Cost`], 0);
              return {
                label: t(`used.${part}`),
                value: cost,
                color: BUCKETS[part],
                shown: format.money(cost, 2),
              };
            })}
          />
        )}
      </Async>
    </Panel>
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
