import { Text } from "@mantine/core";
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";
import type { Format } from "../../lib/format";
import { RowLink } from "../../ui/RowLink";
import { StateBadge } from "../../ui/StateBadge";
import { useTold } from "../../ui/Told";
import type { Column } from "../../ui/tableRows";
import type { Allocation } from "./api";
import { sentenceOf } from "./words";

/** How much of what an allocation is: 2 GPUs, a slice, a share. */
export function sizeOf(
  one: Pick<Allocation, "count" | "gpuMilli" | "useMig" | "requiredMemoryGb">,
  t: TFunction<"allocations">,
): string {
  const memory = `${one.requiredMemoryGb} GB`;
  if (one.gpuMilli !== null) return `${one.gpuMilli / 1000} GPU · ${memory}`;
  if (one.useMig) return `${one.count} × ${t("kind.mig")} · ${memory}`;
  return `${one.count} GPU · ${memory}`;
}

/** Columns of lists of allocations; only those the server sorts by can be sorted. */
export function columnsOf(t: TFunction<"allocations">, format: Format): Column<Allocation>[] {
  return [
    {
      id: "podName",
      header: t("column.pod"),
      value: (row) => row.podName,
      cell: (row) => (
        <RowLink to={`/allocations/${row.allocationId}`}>
          <b>{row.podName}</b>
        </RowLink>
      ),
    },
    {
      id: "namespace",
      header: t("column.namespace"),
      value: (row) => row.namespace,
      hidden: true,
    },
    {
      id: "team",
      header: t("column.team"),
      cell: (row) => row.teamId ?? "–",
      value: (row) => row.teamId,
      sortable: false,
    },
    {
      id: "user",
      header: t("column.user"),
      value: (row) => row.userId,
      sortable: false,
      hidden: true,
    },
    {
      id: "phase",
      header: t("column.phase"),
      value: (row) => row.phase,
      cell: (row) => <Phase row={row} />,
    },
    {
      id: "size",
      header: t("column.size"),
      cell: (row) => sizeOf(row, t),
    },
    {
      id: "place",
      header: t("column.place"),
      cell: (row) => <Place row={row} />,
    },
    {
      id: "cost",
      header: t("column.rate"),
      align: "end",
      cell: (row) => format.money(row.costPerHour),
    },
    {
      id: "total",
      header: t("column.soFar"),
      align: "end",
      cell: (row) => format.money(row.totalCost),
    },
    {
      id: "requestedAt",
      header: t("column.since"),
      value: (row) => row.requestedAt,
      cell: (row) => (
        <span title={format.time(row.requestedAt)}>
          {format.since(row.allocatedAt ?? row.requestedAt)}
        </span>
      ),
    },
    {
      id: "ends",
      header: t("column.ends"),
      cell: (row) => format.time(row.releasedAt ?? row.expiresAt),
      hidden: true,
    },
    {
      id: "priority",
      header: t("column.priority"),
      value: (row) => row.priority,
      align: "end",
      hidden: true,
    },
    {
      id: "workload",
      header: t("column.workload"),
      cell: (row) => t(`workload.${row.workloadType}`),
      hidden: true,
    },
  ];
}

const TOLD = new Set(["Releasing", "Idle", "Expiring"]);

/** The phase, and the condition that matters beside it. */
export function Phase({ row }: { row: Pick<Allocation, "phase" | "conditions"> }) {
  const { t } = useTranslation("allocations");
  const speak = useTold();
  const told = row.conditions.find((one) => one.status === "True" && TOLD.has(one.type));
  return (
    <span title={told && (speak(...sentenceOf(told, row), told.message) ?? undefined)}>
      <StateBadge state={row.phase} />
      {told && (
        <Text span size="xs" c="dimmed" ml={6}>
          {t(`conditions.type.${told.type}`, { defaultValue: told.type })}
        </Text>
      )}
    </span>
  );
}

function Place({ row }: { row: Allocation }) {
  if (!row.deviceId) return <>{row.nodeName ?? "–"}</>;
  const more = row.resources.length > 1 ? ` +${row.resources.length - 1}` : "";
  return (
    <span title={row.resources.join(", ")}>
      {row.resources[0] ?? row.deviceId}
      {more}
    </span>
  );
}
