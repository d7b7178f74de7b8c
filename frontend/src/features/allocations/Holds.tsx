import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { DataTable } from "../../ui/DataTable";
import { Empty } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import type { AllocationDetail } from "./api";

type Hold = AllocationDetail["holds"][number];

/** The stretches in which it held devices or parts of them: the rows that are billed. */
export function Holds({ one }: { one: AllocationDetail }) {
  const { t } = useTranslation("allocations");
  const format = useFormat();
  const columns = useMemo<Column<Hold>[]>(
    () => [
      {
        id: "deviceId",
        header: t("holds.device"),
        value: (row) => row.deviceId,
        cell: (row) => (
          <Link to={`/fleet/gpus/${encodeURIComponent(row.deviceId)}` as never}>
            {row.deviceId}
          </Link>
        ),
      },
      {
        id: "part",
        header: t("holds.part"),
        value: (row) => row.profileName ?? row.milli,
        cell: (row) => row.profileName ?? `${format.gpus(row.milli)} GPU`,
      },
      {
        id: "source",
        header: t("holds.source"),
        value: (row) => row.source,
        hidden: true,
        cell: (row) => t(`holds.by.${row.source}`, { defaultValue: row.source }),
      },
      {
        id: "startedAt",
        header: t("holds.from"),
        value: (row) => row.startedAt,
        cell: (row) => format.time(row.startedAt),
      },
      {
        id: "endedAt",
        header: t("holds.to"),
        value: (row) => row.endedAt,
        cell: (row) => (row.endedAt ? format.time(row.endedAt) : t("holds.open")),
      },
      {
        id: "length",
        header: t("holds.length"),
        align: "end",
        value: (row) => secondsOf(row),
        cell: (row) => format.duration(secondsOf(row)),
      },
    ],
    [t, format],
  );
  return (
    <DataTable
      name="holds"
      label={t("holds.title")}
      rows={one.holds}
      columns={columns}
      rowKey={(row) => `${row.deviceId}-${row.migId}-${row.startedAt}`}
      empty={<Empty title={t("holds.empty")} icon="queue" />}
    />
  );
}

function secondsOf(hold: Hold): number {
  const end = hold.endedAt ? new Date(hold.endedAt).getTime() : Date.now();
  return Math.max(0, (end - new Date(hold.startedAt).getTime()) / 1000);
}
