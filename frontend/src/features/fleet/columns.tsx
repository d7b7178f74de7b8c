import { Text } from "@mantine/core";
import type { TFunction } from "i18next";
import type { Format } from "../../lib/format";
import { RowLink } from "../../ui/RowLink";
import { StateBadge } from "../../ui/StateBadge";
import type { Column } from "../../ui/tableRows";
import type { Device, Node } from "./api";

type Words = TFunction<"fleet">;

/** `3 of 8`: what is left of something. */
function left(free: string, total: string, t: Words): string {
  return t("left", { free, total });
}

/** Columns of a list of nodes. */
export function nodeColumns(t: Words, format: Format): Column<Node>[] {
  return [
    {
      id: "nodeName",
      header: t("col.node"),
      value: (row) => row.nodeName,
      cell: (row) => <RowLink to={`/fleet/nodes/${row.nodeName}`}>{row.nodeName}</RowLink>,
    },
    {
      id: "status",
      header: t("col.state"),
      value: (row) => stateOf(row),
      cell: (row) => <StateBadge state={stateOf(row)} />,
      filter: "values",
    },
    {
      id: "gpuModels",
      header: t("col.models"),
      value: (row) => row.gpuModels.join(", "),
      filter: "values",
    },
    { id: "gpuCount", header: t("col.gpus"), value: (row) => row.gpuCount, align: "end" },
    {
      id: "gpuFreeMilli",
      header: t("col.free"),
      value: (row) => row.gpuFreeMilli,
      cell: (row) => left(format.gpus(row.gpuFreeMilli), format.gpus(row.gpuTotalMilli), t),
      align: "end",
    },
    {
      id: "cpuFreeMilli",
      header: t("col.cpu"),
      value: (row) => row.cpuFreeMilli,
      cell: (row) =>
        row.cpuTotalMilli == null
          ? "–"
          : left(
              format.number((row.cpuFreeMilli ?? 0) / 1000, 1),
              format.number(row.cpuTotalMilli / 1000),
              t,
            ),
      align: "end",
    },
    {
      id: "memoryFreeMib",
      header: t("col.memory"),
      value: (row) => row.memoryFreeMib,
      cell: (row) =>
        row.memoryTotalMib == null
          ? "–"
          : left(format.number((row.memoryFreeMib ?? 0) / 1024), format.mib(row.memoryTotalMib), t),
      align: "end",
    },
    { id: "nodePool", header: t("col.pool"), value: (row) => row.nodePool, filter: "values" },
    { id: "zone", header: t("col.zone"), value: (row) => row.zone, hidden: true },
    {
      id: "driverVersion",
      header: t("col.driver"),
      value: (row) => row.driverVersion,
      hidden: true,
    },
    {
      id: "labels",
      header: t("col.labels"),
      value: (row) => labelsOf(row),
      cell: (row) => (
        <Text size="xs" maw={360} truncate title={labelsOf(row)}>
          {labelsOf(row) || "–"}
        </Text>
      ),
      sortable: false,
      hidden: true,
    },
    {
      id: "lastSeenAt",
      header: t("col.seen"),
      value: (row) => row.lastSeenAt,
      cell: (row) => format.since(row.lastSeenAt),
      hidden: true,
    },
  ];
}

/** What a node is: its own state, or that nothing new is placed on it. */
export function stateOf(node: Node): string {
  return node.schedulable ? node.status : "CORDONED";
}

function labelsOf(node: Node): string {
  return Object.entries(node.labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
}

/** Columns of a list of GPUs. */
export function deviceColumns(t: Words, format: Format): Column<Device>[] {
  return [
    {
      id: "deviceId",
      header: t("col.gpu"),
      value: (row) => row.deviceId,
      cell: (row) => <RowLink to={`/fleet/gpus/${row.deviceId}`}>{row.deviceId}</RowLink>,
    },
    { id: "modelName", header: t("col.model"), value: (row) => row.modelName, filter: "values" },
    {
      id: "status",
      header: t("col.state"),
      value: (row) => row.status,
      cell: (row) => <StateBadge state={row.status} />,
      filter: "values",
    },
    {
      id: "freeMilli",
      header: t("col.free"),
      value: (row) => row.freeMilli,
      cell: (row) => format.ratio(row.freeMilli / 1000),
      align: "end",
    },
    {
      id: "slices",
      header: t("col.slices"),
      value: (row) => row.migSummary?.total,
      cell: (row) =>
        row.migSummary
          ? left(format.number(row.migSummary.available), format.number(row.migSummary.total), t)
          : "–",
      align: "end",
    },
    {
      id: "gpuUtilization",
      header: t("col.use"),
      value: (row) => row.gpuUtilization,
      cell: (row) => format.pct(row.gpuUtilization),
      align: "end",
    },
    {
      id: "temperature",
      header: t("col.temperature"),
      value: (row) => row.temperature,
      cell: (row) => (row.temperature == null ? "–" : `${format.number(row.temperature)} °C`),
      align: "end",
    },
    {
      id: "powerDrawW",
      header: t("col.power"),
      value: (row) => row.powerDrawW,
      cell: (row) => (row.powerDrawW == null ? "–" : `${format.number(row.powerDrawW)} W`),
      align: "end",
    },
    {
      id: "holders",
      header: t("col.holders"),
      value: (row) => row.allocations.map((one) => `${one.namespace}/${one.podName}`).join(", "),
      cell: (row) => <Holders device={row} />,
      sortable: false,
    },
    {
      id: "team",
      header: t("col.team"),
      value: (row) => [...new Set(row.allocations.map((one) => one.teamId ?? ""))].join(", "),
      hidden: true,
    },
    { id: "nodeName", header: t("col.node"), value: (row) => row.nodeName, hidden: true },
    { id: "uuid", header: t("col.uuid"), value: (row) => row.uuid, hidden: true },
    { id: "pciBusId", header: t("col.pci"), value: (row) => row.pciBusId, hidden: true },
    {
      id: "stateReason",
      header: t("col.reason"),
      value: (row) => row.stateReason,
      hidden: true,
    },
  ];
}

function Holders({ device }: { device: Device }) {
  const [first] = device.allocations;
  if (!first) return "–";
  const more = device.allocations.length - 1;
  return (
    <>
      <RowLink to={`/allocations/${first.allocationId}`}>
        {first.namespace}/{first.podName}
      </RowLink>
      {more > 0 && ` +${more}`}
    </>
  );
}
