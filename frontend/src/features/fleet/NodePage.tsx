import { Badge, Button, Group, SimpleGrid } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { api, type Schemas, type Tagged } from "../../api/client";
import { apiHref } from "../../lib/root";
import { useLive } from "../../lib/useLive";
import { DataTable } from "../../ui/DataTable";
import { Figure } from "../../ui/Figure";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { StateBadge } from "../../ui/StateBadge";
import { useMay } from "../../ui/session";
import { Async, Empty, Panel } from "../../ui/states";
import { tell, tellFailure } from "../../ui/toast";
import { useFormat } from "../../ui/useFormat";
import { nodeQuery } from "./api";
import { deviceColumns, stateOf } from "./columns";
import { Facts } from "./facts";

type NodeDetail = Schemas["NodeDetail"];

/** One node: its GPUs, its host, and whether anything new may come to it. */
export default function NodePage() {
  const { t } = useTranslation("fleet");
  const { nodeName = "" } = useParams({ strict: false }) as { nodeName?: string };
  const node = useQuery(nodeQuery(nodeName));
  useLive(["device.*", "node.*", "mig.*", "allocation.*"], ["nodes", nodeName]);
  const found = node.data?.value;
  return (
    <Page
      title={nodeName}
      crumbs={[{ label: t("title"), to: "/fleet" }]}
      lead={
        found && (
          <Group gap="xs">
            <StateBadge state={stateOf(found)} />
            {found.gpuModels.join(", ")}
          </Group>
        )
      }
      actions={found && <Cordon node={found} />}
    >
      <Async query={node}>{({ value }) => <Content node={value} />}</Async>
    </Page>
  );
}

function Content({ node }: { node: NodeDetail }) {
  const { t } = useTranslation("fleet");
  const format = useFormat();
  const columns = useMemo(() => deviceColumns(t, format), [t, format]);
  const cores = (milli: number | null) => (milli == null ? "–" : format.number(milli / 1000, 1));
  return (
    <>
      <SimpleGrid cols={{ base: 2, sm: 4 }} spacing="sm">
        <Figure label={t("col.gpus")} value={format.number(node.gpuCount)} />
        <Figure
          label={t("sums.free")}
          value={format.gpus(node.gpuFreeMilli)}
          note={t("sums.of", { total: format.gpus(node.gpuTotalMilli) })}
        />
        <Figure
          label={t("node.cpuFree")}
          value={cores(node.cpuFreeMilli)}
          unit={t("node.cores")}
          note={t("sums.of", { total: cores(node.cpuTotalMilli) })}
        />
        <Figure
          label={t("node.memoryFree")}
          value={format.mib(node.memoryFreeMib)}
          note={t("sums.of", { total: format.mib(node.memoryTotalMib) })}
        />
      </SimpleGrid>
      <Panel title={t("view.gpus")}>
        <DataTable
          label={t("view.gpus")}
          rows={node.devices}
          columns={columns}
          rowKey={(row) => row.deviceId}
          sort="deviceId"
          csvHref={apiHref("/api/v1/gpu/devices", { format: "csv", nodeName: node.nodeName })}
          empty={<Empty title={t("node.noGpus")} icon="gpu" />}
        />
      </Panel>
      <Panel title={t("node.about")}>
        <Facts
          rows={[
            [t("col.pool"), node.nodePool],
            [t("col.zone"), node.zone],
            [t("node.ip"), node.ip],
            [t("col.driver"), node.driverVersion],
            [t("node.cuda"), node.cudaVersion],
            [t("node.kubelet"), node.kubeletVersion],
            [t("col.seen"), format.time(node.lastSeenAt)],
          ]}
        />
        <Group gap={6} mt="md" aria-label={t("col.labels")}>
          {Object.entries(node.labels).map(([key, value]) => (
            <Badge key={key} variant="default" tt="none" fw={400} radius="sm">
              {key}={value}
            </Badge>
          ))}
        </Group>
      </Panel>
    </>
  );
}

function Cordon({ node }: { node: NodeDetail }) {
  const { t } = useTranslation("fleet");
  const client = useQueryClient();
  const { queryKey } = nodeQuery(node.nodeName);
  const change = useMutation({
    mutationFn: (cordon: boolean) => {
      const path = { nodeName: node.nodeName };
      return cordon
        ? api.POST("/api/v1/gpu/nodes/{nodeName}/maintenance", {
            params: { path },
            body: { reason: "by the dashboard" },
          })
        : api.DELETE("/api/v1/gpu/nodes/{nodeName}/maintenance", { params: { path } });
    },
    onMutate: async (cordon: boolean) => {
      await client.cancelQueries({ queryKey });
      const before = client.getQueryData<Tagged<NodeDetail>>(queryKey);
      if (before) {
        const value = { ...before.value, schedulable: !cordon };
        client.setQueryData(queryKey, { ...before, value });
      }
      return before;
    },
    onError: (error, _cordon, before) => {
      client.setQueryData(queryKey, before);
      tellFailure(t("node.unchanged"), error);
    },
    onSuccess: (_answer, cordon) => tell(cordon ? t("node.cordoned") : t("node.uncordoned")),
    onSettled: () => client.invalidateQueries({ queryKey: ["nodes"] }),
  });
  if (!useMay("devices.write")) return null;
  return (
    <Button
      size="xs"
      variant="default"
      loading={change.isPending}
      onClick={() => change.mutate(node.schedulable)}
      leftSection={<Icon name={node.schedulable ? "pause" : "check"} size={14} />}
    >
      {node.schedulable ? t("node.cordon") : t("node.uncordon")}
    </Button>
  );
}
