import { Button, SegmentedControl, SimpleGrid } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { useUrlState } from "../../lib/urlState";
import { useLive } from "../../lib/useLive";
import { DataTable } from "../../ui/DataTable";
import { Figure } from "../../ui/Figure";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { useMay } from "../../ui/session";
import { Async, Empty } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { devicesQuery, type Node, nodesQuery } from "./api";
import { deviceColumns, nodeColumns } from "./columns";

/** Every node, or every GPU. */
export default function FleetPage() {
  const { t } = useTranslation("fleet");
  const [view, setView] = useUrlState("view", "nodes");
  const mayRegister = useMay("devices.write");
  return (
    <Page
      title={t("title")}
      lead={t("lead")}
      actions={
        <>
          <SegmentedControl
            size="xs"
            aria-label={t("view.label")}
            value={view}
            onChange={setView}
            data={[
              { value: "nodes", label: t("view.nodes") },
              { value: "gpus", label: t("view.gpus") },
            ]}
          />
          {mayRegister && <RegisterLink />}
        </>
      }
    >
      {view === "gpus" ? <Devices /> : <Nodes />}
    </Page>
  );
}

function RegisterLink() {
  const { t } = useTranslation("fleet");
  return (
    <Button
      component={Link}
      to={"/fleet/register" as never}
      size="xs"
      leftSection={<Icon name="plus" size={14} />}
    >
      {t("register.open")}
    </Button>
  );
}

function Nodes() {
  const { t } = useTranslation("fleet");
  const format = useFormat();
  const nodes = useQuery(nodesQuery);
  useLive(["device.*", "node.*", "allocation.*"], ["nodes"]);
  const columns = useMemo(() => nodeColumns(t, format), [t, format]);
  return (
    <Async query={nodes} rows={12}>
      {(list) => (
        <>
          <Sums nodes={list.rows} />
          <DataTable
            label={t("view.nodes")}
            rows={list.rows}
            columns={columns}
            rowKey={(row) => row.nodeName}
            sort="nodeName"
            csvHref={apiHref("/api/v1/gpu/nodes", { format: "csv" })}
            empty={<NothingYet />}
          />
        </>
      )}
    </Async>
  );
}

function Sums({ nodes }: { nodes: readonly Node[] }) {
  const { t } = useTranslation("fleet");
  const format = useFormat();
  const sums = useMemo(() => {
    const total = { gpus: 0, free: 0, milli: 0, away: 0 };
    for (const node of nodes) {
      total.gpus += node.gpuCount;
      total.free += node.gpuFreeMilli;
      total.milli += node.gpuTotalMilli;
      if (!node.schedulable) total.away += 1;
    }
    return total;
  }, [nodes]);
  return (
    <SimpleGrid cols={{ base: 2, sm: 4 }} spacing="sm">
      <Figure label={t("view.nodes")} value={format.number(nodes.length)} />
      <Figure label={t("col.gpus")} value={format.number(sums.gpus)} to="/fleet?view=gpus" />
      <Figure
        label={t("sums.free")}
        value={format.gpus(sums.free)}
        note={t("sums.of", { total: format.gpus(sums.milli) })}
        to="/fleet?view=gpus&f.status=AVAILABLE"
      />
      <Figure
        label={t("sums.cordoned")}
        value={format.number(sums.away)}
        tone={sums.away > 0 ? "warn" : "plain"}
        icon={<Icon name="pause" />}
        to="/fleet?f.status=CORDONED"
      />
    </SimpleGrid>
  );
}

function Devices() {
  const { t } = useTranslation("fleet");
  const format = useFormat();
  const devices = useQuery(devicesQuery);
  useLive(["device.*", "mig.*", "allocation.*"], ["devices"]);
  const columns = useMemo(() => deviceColumns(t, format), [t, format]);
  return (
    <Async query={devices} rows={12}>
      {(list) => (
        <DataTable
          label={t("view.gpus")}
          rows={list.rows}
          columns={columns}
          rowKey={(row) => row.deviceId}
          sort="deviceId"
          csvHref={apiHref("/api/v1/gpu/devices", { format: "csv" })}
          empty={<NothingYet />}
        />
      )}
    </Async>
  );
}

function NothingYet() {
  const { t } = useTranslation("fleet");
  return <Empty title={t("empty.title")} hint={t("empty.hint")} icon="fleet" />;
}
