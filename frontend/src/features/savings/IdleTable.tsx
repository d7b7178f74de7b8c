import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { DataTable } from "../../ui/DataTable";
import { Empty } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import type { IdleHold } from "./api";

/** GPUs and slices that are held and will likely stay idle for the coming hour. */
export function IdleTable({ rows }: { rows: IdleHold[] }) {
  const { t } = useTranslation("savings");
  const format = useFormat();
  const columns = useMemo<Column<IdleHold>[]>(
    () => [
      {
        id: "deviceId",
        header: t("column.gpu"),
        value: (row) => row.deviceId,
        cell: (row) => (
          <Link to={`/fleet/gpus/${encodeURIComponent(row.deviceId)}` as never}>
            {row.deviceId}
            {row.gpuInstanceId !== null && ` #${row.gpuInstanceId}`}
          </Link>
        ),
      },
      { id: "modelId", header: t("column.model"), value: (row) => row.modelId, hidden: true },
      {
        id: "pod",
        header: t("column.holder"),
        value: (row) => `${row.namespace}/${row.podName}`,
        cell: (row) => (
          <Link to={`/allocations/${row.allocationId}` as never}>
            {row.namespace}/{row.podName}
          </Link>
        ),
      },
      { id: "team", header: t("column.team"), value: (row) => row.teamId, filter: "values" },
      {
        id: "recent",
        header: t("column.recent"),
        align: "end",
        value: (row) => row.recentMeanPct,
        cell: (row) => format.pct(row.recentMeanPct, 1),
      },
      {
        id: "lastHour",
        header: t("column.lastHour"),
        align: "end",
        value: (row) => row.lastHourPct,
        cell: (row) => format.pct(row.lastHourPct, 1),
      },
      {
        id: "heldSince",
        header: t("column.since"),
        value: (row) => row.heldSince,
        cell: (row) => format.since(row.heldSince),
      },
      {
        id: "cost",
        header: t("column.cost"),
        align: "end",
        value: (row) => row.costPerHour,
        cell: (row) => format.money(row.costPerHour),
      },
    ],
    [t, format],
  );
  return (
    <DataTable
      name="idle"
      label={t("idle.title")}
      rows={rows}
      columns={columns}
      rowKey={(row) => `${row.deviceId} ${row.gpuInstanceId} ${row.allocationId}`}
      sort="-cost"
      csvHref={apiHref("/api/v1/gpu/metrics/idle", { format: "csv" })}
      empty={<Empty title={t("idle.none")} hint={t("idle.noneHint")} icon="check" />}
    />
  );
}
