import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useUrlStates } from "../../lib/urlState";
import { DataTable } from "../../ui/DataTable";
import { Empty } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import { type CostRow, costPath } from "./api";
import { type CostQuestion, csvOf, drilled } from "./question";
import { usedShare } from "./tree";

interface CostTableProps {
  question: CostQuestion;
  rows: CostRow[];
  seesAll: boolean;
}

/** The rows behind the bars; each leads one step down. */
export function CostTable({ question, rows, seesAll }: CostTableProps) {
  const { t } = useTranslation("cost");
  const format = useFormat();
  const total = rows.reduce((sum, row) => sum + row.cost, 0);
  const columns = useMemo<Column<CostRow>[]>(
    () => [
      {
        id: "name",
        header: t(`dimension.${question.aggregate}`),
        value: (row) => row[question.aggregate] ?? t("none"),
        cell: (row) => <Name question={question} value={row[question.aggregate]} />,
      },
      {
        id: "cost",
        header: t("column.cost"),
        align: "end",
        value: (row) => row.cost,
        cell: (row) => format.money(row.cost, 2),
      },
      {
        id: "share",
        header: t("column.share"),
        align: "end",
        value: (row) => row.cost,
        cell: (row) => format.ratio(total > 0 ? row.cost / total : null, 1),
      },
      ...PARTS.map((part) => ({
        id: part,
        header: t(`split.${part}`),
        align: "end" as const,
        value: (row: CostRow) => row[`${part}Cost`],
        cell: (row: CostRow) => format.money(row[`${part}Cost`], 2),
      })),
      {
        id: "usedShare",
        header: t("column.usedShare"),
        align: "end",
        value: (row) => usedShare(row),
        cell: (row) => format.ratio(usedShare(row)),
      },
      {
        id: "gpuHours",
        header: t("column.hours"),
        align: "end",
        value: (row) => row.gpuHours,
        cell: (row) => format.number(row.gpuHours, 1),
      },
      {
        id: "perHour",
        header: t("column.perHour"),
        align: "end",
        value: (row) => perHour(row),
        cell: (row) => format.money(perHour(row)),
      },
      {
        id: "card",
        header: t("column.card"),
        align: "end",
        hidden: true,
        value: (row) => row.cardCost,
        cell: (row) => format.money(row.cardCost, 2),
      },
      {
        id: "unpriced",
        header: t("column.unpriced"),
        align: "end",
        hidden: true,
        value: (row) => row.unpricedGpuHours,
        cell: (row) => format.number(row.unpricedGpuHours, 1),
      },
    ],
    [t, format, question, total],
  );
  return (
    <DataTable
      label={t("table")}
      rows={rows}
      columns={columns}
      rowKey={(row) => String(row[question.aggregate])}
      csvHref={csvOf(question, costPath(seesAll))}
      empty={<Empty title={t("empty.title")} hint={t("empty.hint")} icon="cost" />}
    />
  );
}

const PARTS = ["used", "idle", "unattributed"] as const;

function perHour(row: CostRow): number | null {
  const priced = row.gpuHours - row.unpricedGpuHours;
  return priced > 0 ? row.cost / priced : null;
}

function Name({ question, value }: { question: CostQuestion; value: string | null }) {
  const { t } = useTranslation("cost");
  const [search] = useUrlStates();
  const below = drilled(question, value);
  const shown = value ?? t("none");
  if (question.aggregate === "allocation" && value) {
    return <Link to={`/allocations/${value}` as never}>{value}</Link>;
  }
  if (!below) return <>{shown}</>;
  const next = { window: search.window, bars: search.bars, ...question.filters, ...below };
  return (
    <Link to="." search={next as never}>
      {shown}
    </Link>
  );
}
