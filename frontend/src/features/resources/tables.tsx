import { Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { DataTable } from "../../ui/DataTable";
import { StateBadge } from "../../ui/StateBadge";
import { Empty } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import type { NamespaceResources, NodeResources, PodResources } from "./api";

/** A share of what pods may ask for, and below it the share that is used. */
function useShares() {
  const { t } = useTranslation("resources");
  const format = useFormat();
  return (asked: number | null, used: number | null) => (
    <>
      {format.pct(asked)}
      <Text size="xs" c="dimmed">
        {used === null ? t("unmeasured") : t("used", { value: format.pct(used) })}
      </Text>
    </>
  );
}

export function Nodes({ rows }: { rows: NodeResources[] }) {
  const { t } = useTranslation("resources");
  const format = useFormat();
  const shares = useShares();
  const columns: Column<NodeResources>[] = [
    {
      id: "nodeName",
      header: t("column.node"),
      value: (row) => row.nodeName,
      cell: (row) => (
        <Link to={`/resources?by=pods&node=${encodeURIComponent(row.nodeName)}` as never}>
          {row.nodeName}
        </Link>
      ),
    },
    {
      id: "state",
      header: t("column.state"),
      value: (row) => stateOf(row),
      cell: (row) => <StateBadge state={stateOf(row)} />,
    },
    {
      id: "heat",
      header: t("column.heat"),
      value: (row) => row.heat,
      cell: (row) => (row.heat ? t(`heat.${row.heat}`) : "–"),
    },
    {
      id: "cpu",
      header: t("column.cpu"),
      align: "end",
      value: (row) => row.cpuRequestedPct,
      cell: (row) => shares(row.cpuRequestedPct, row.cpuUsedPct),
    },
    {
      id: "memory",
      header: t("column.memory"),
      align: "end",
      value: (row) => row.memoryRequestedPct,
      cell: (row) => shares(row.memoryRequestedPct, row.memoryUsedPct),
    },
    {
      id: "gpus",
      header: t("column.gpus"),
      align: "end",
      value: (row) => row.gpuRequested,
      cell: (row) => `${format.number(row.gpuRequested)} / ${format.number(row.gpuCapacity)}`,
    },
    {
      id: "pods",
      header: t("column.pods"),
      align: "end",
      value: (row) => row.podCount,
      cell: (row) => `${format.number(row.podCount)} / ${format.number(row.podCapacity)}`,
    },
  ];
  return (
    <DataTable
      name="n"
      label={t("by.nodes")}
      rows={rows}
      columns={columns}
      rowKey={(row) => `${row.clusterName} ${row.nodeName}`}
      sort="-cpu"
      csvHref={apiHref("/api/v1/resources/nodes", { format: "csv" })}
      empty={<Empty title={t("empty.title")} icon="resources" />}
    />
  );
}

function stateOf(node: NodeResources): string {
  if (!node.ready) return "OFFLINE";
  return node.schedulable ? "READY" : "CORDONED";
}

export function Namespaces({ rows }: { rows: NamespaceResources[] }) {
  const { t } = useTranslation("resources");
  const format = useFormat();
  const cores = (milli: number | null) => format.number(milli === null ? null : milli / 1000, 1);
  const columns: Column<NamespaceResources>[] = [
    {
      id: "namespace",
      header: t("column.namespace"),
      value: (row) => row.namespace,
      cell: (row) => (
        <Link to={`/resources?by=pods&namespace=${encodeURIComponent(row.namespace)}` as never}>
          {row.namespace}
        </Link>
      ),
    },
    { id: "pods", header: t("column.pods"), align: "end", value: (row) => row.podCount },
    {
      id: "cpu",
      header: t("column.cpuAsked"),
      align: "end",
      value: (row) => row.cpuRequestedMilli,
      cell: (row) => cores(row.cpuRequestedMilli),
    },
    {
      id: "cpuUsed",
      header: t("column.cpuUsed"),
      align: "end",
      value: (row) => row.cpuUsedMilli,
      cell: (row) => cores(row.cpuUsedMilli),
    },
    {
      id: "memory",
      header: t("column.memoryAsked"),
      align: "end",
      value: (row) => row.memoryRequestedMib,
      cell: (row) => format.mib(row.memoryRequestedMib),
    },
    {
      id: "memoryUsed",
      header: t("column.memoryUsed"),
      align: "end",
      value: (row) => row.memoryUsedMib,
      cell: (row) => format.mib(row.memoryUsedMib),
    },
    { id: "gpus", header: t("column.gpus"), align: "end", value: (row) => row.gpuRequested },
    {
      id: "over",
      header: t("column.over"),
      align: "end",
      value: (row) => row.overRequestedPods,
    },
    {
      id: "under",
      header: t("column.under"),
      align: "end",
      value: (row) => row.underRequestedPods,
    },
  ];
  return (
    <DataTable
      name="ns"
      label={t("by.namespaces")}
      rows={rows}
      columns={columns}
      rowKey={(row) => `${row.clusterName} ${row.namespace}`}
      sort="-cpu"
      csvHref={apiHref("/api/v1/resources/namespaces", { format: "csv" })}
      empty={<Empty title={t("empty.title")} icon="resources" />}
    />
  );
}

interface PodsProps {
  rows: PodResources[];
  total: number;
  /** The namespace or node whose pods these are; empty: all. */
  only: string;
}

export function Pods({ rows, total, only }: PodsProps) {
  const { t } = useTranslation("resources");
  const format = useFormat();
  const columns = useMemo<Column<PodResources>[]>(
    () => [
      {
        id: "podName",
        header: t("column.pod"),
        value: (row) => `${row.namespace}/${row.podName}`,
      },
      { id: "nodeName", header: t("column.node"), value: (row) => row.nodeName },
      { id: "phase", header: t("column.state"), value: (row) => row.phase, filter: "values" },
      {
        id: "verdict",
        header: t("column.verdict"),
        value: (row) => row.verdict,
        filter: ["OVER_REQUESTED", "UNDER_REQUESTED", "NO_REQUEST", "FITTING", "UNKNOWN"].map(
          (value) => ({ value, label: t(`verdict.${value}`) }),
        ),
        cell: (row) => t(`verdict.${row.verdict}`),
      },
      {
        id: "cpu",
        header: t("column.cpuAsked"),
        align: "end",
        value: (row) => row.cpuRequestedMilli,
        cell: (row) => format.number(row.cpuRequestedMilli / 1000, 2),
      },
      {
        id: "cpuPeak",
        header: t("column.cpuPeak"),
        align: "end",
        value: (row) => row.cpuPeakMilli,
        cell: (row) => format.number(row.cpuPeakMilli === null ? null : row.cpuPeakMilli / 1000, 2),
      },
      {
        id: "memory",
        header: t("column.memoryAsked"),
        align: "end",
        value: (row) => row.memoryRequestedMib,
        cell: (row) => format.mib(row.memoryRequestedMib),
      },
      {
        id: "memoryPeak",
        header: t("column.memoryPeak"),
        align: "end",
        value: (row) => row.memoryPeakMib,
        cell: (row) => format.mib(row.memoryPeakMib),
      },
      { id: "gpus", header: t("column.gpus"), align: "end", value: (row) => row.gpuRequested },
    ],
    [t, format],
  );
  return (
    <>
      {only && (
        <Text size="sm" mb="xs">
          {t("only", { what: only })} <Link to={"/resources?by=pods" as never}>{t("all")}</Link>
        </Text>
      )}
      <DataTable
        name="p"
        label={t("by.pods")}
        rows={rows}
        columns={columns}
        rowKey={(row) => `${row.namespace} ${row.podName}`}
        sort="-cpu"
        csvHref={apiHref("/api/v1/resources/pods", { format: "csv" })}
        empty={<Empty title={t("noPods")} icon="resources" />}
        more={{ has: false, isLoading: false, load: () => undefined, total }}
      />
    </>
  );
}
