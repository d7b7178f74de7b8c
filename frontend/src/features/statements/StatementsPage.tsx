import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { DataTable } from "../../ui/DataTable";
import { Page } from "../../ui/Page";
import { useMay, useSession } from "../../ui/session";
import { Async, Empty } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import { type MonthSummary, monthsQuery } from "./api";
import { MonthState } from "./parts";

/** The months that can be billed, the newest first. */
export default function StatementsPage() {
  const { t } = useTranslation("statements");
  const format = useFormat();
  const { team } = useSession();
  const seesAll = useMay("cost.read");
  const months = useQuery(monthsQuery(seesAll));
  const columns = useMemo<Column<MonthSummary>[]>(
    () => [
      {
        id: "month",
        header: t("column.month"),
        value: (row) => row.month,
        cell: (row) => (
          <Link
            to={
              (seesAll
                ? `/statements/${row.month}`
                : `/statements/${row.month}/${encodeURIComponent(team ?? "")}`) as never
            }
          >
            <b>{row.month}</b>
          </Link>
        ),
      },
      {
        id: "status",
        header: t("column.status"),
        value: (row) => row.status,
        cell: (row) => <MonthState status={row.status} />,
      },
      {
        id: "totalCost",
        header: t("column.total"),
        align: "end",
        value: (row) => row.totalCost,
        cell: (row) => (row.totalCost === null ? t("openTotal") : format.money(row.totalCost, 2)),
      },
      {
        id: "lineCount",
        header: t("column.lines"),
        align: "end",
        value: (row) => row.lineCount,
        cell: (row) => format.number(row.lineCount),
      },
      {
        id: "closedAt",
        header: t("column.closed"),
        value: (row) => row.closedAt,
        cell: (row) => (row.closedAt ? `${format.time(row.closedAt)} · ${row.closedBy}` : "–"),
      },
      {
        id: "fingerprint",
        header: t("column.fingerprint"),
        value: (row) => row.fingerprint,
        cell: (row) => <code title={row.fingerprint ?? ""}>{row.fingerprint?.slice(0, 12)}</code>,
        hidden: true,
      },
    ],
    [t, format, seesAll, team],
  );
  return (
    <Page title={t("title")} lead={seesAll ? t("lead") : t("leadOwn")}>
      <Async query={months} rows={6}>
        {(list) => (
          <DataTable
            label={t("title")}
            rows={list.rows}
            columns={columns}
            rowKey={(row) => row.month}
            sort="-month"
            empty={<Empty title={t("empty.title")} hint={t("empty.hint")} icon="statement" />}
          />
        )}
      </Async>
    </Page>
  );
}
