import { Alert, Button, SegmentedControl, SimpleGrid } from "@mantine/core";
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
import { Async, Empty, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { plansQuery, type Screen, screenQuery } from "./api";
import { boardColumns, demandColumns, planColumns } from "./columns";
import { StripLegend } from "./Strip";

/** How GPUs are cut, what that wastes, and the plans that would change it. */
export default function MigPage() {
  const { t } = useTranslation("mig");
  const [view, setView] = useUrlState("view", "gpus");
  const mayWrite = useMay("mig.write");
  useLive(["mig.*", "allocation.*", "device.*"], ["mig"]);
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
              { value: "gpus", label: t("view.gpus") },
              { value: "plans", label: t("view.plans") },
            ]}
          />
          {mayWrite && <PlanLink />}
        </>
      }
    >
      {view === "plans" ? <Plans /> : <Layouts />}
    </Page>
  );
}

function PlanLink() {
  const { t } = useTranslation("mig");
  return (
    <Button
      component={Link}
      to={"/mig/plan" as never}
      size="xs"
      leftSection={<Icon name="plus" size={14} />}
    >
      {t("plan.open")}
    </Button>
  );
}

function Layouts() {
  const { t } = useTranslation("mig");
  const screen = useQuery(screenQuery);
  return (
    <Async
      query={screen}
      rows={12}
      isEmpty={(found) => found.devices.length === 0}
      empty={<Empty title={t("empty.title")} hint={t("empty.hint")} icon="slices" />}
    >
      {(found) => (
        <>
          <Figures screen={found} />
          <DemandTable screen={found} />
          <Board screen={found} />
        </>
      )}
    </Async>
  );
}

function Figures({ screen }: { screen: Screen }) {
  const { t } = useTranslation("mig");
  const format = useFormat();
  const slices = screen.devices.flatMap((one) => one.slices);
  const held = slices.filter((one) => one.isHeld).length;
  const stranded = screen.devices.reduce((sum, one) => sum + one.strandedUnits, 0);
  const asked = screen.demand.reduce((sum, one) => sum + one.waiting, 0);
  const ratio = screen.fragmentation.ratio;
  return (
    <>
      <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }} spacing="sm">
        <Figure
          label={t("figure.fragmentation")}
          value={format.ratio(ratio)}
          note={t("figure.fragmentationNote")}
          tone={ratio != null && ratio >= 0.5 ? "warn" : "plain"}
          icon={<Icon name="warning" size={18} />}
        />
        <Figure label={t("figure.gpus")} value={format.number(screen.devices.length)} />
        <Figure
          label={t("figure.held")}
          value={format.number(held)}
          note={t("figure.of", { total: format.number(slices.length) })}
          to="/allocations"
        />
        <Figure
          label={t("figure.waiting")}
          value={format.number(asked)}
          note={t("figure.requests", { count: screen.waitingRequests })}
          tone={asked > 0 ? "warn" : "plain"}
          icon={<Icon name="queue" size={18} />}
          to="/allocations?phase=Pending"
        />
        <Figure
          label={t("figure.stranded")}
          value={format.number(stranded)}
          unit={t("figure.units")}
          note={t("figure.strandedNote")}
        />
      </SimpleGrid>
      {ratio != null && ratio > 0 && (
        <Alert color="gray" variant="light" role="note" icon={<Icon name="info" />} py="xs">
          {t("figure.meaning", { ratio: format.ratio(ratio) })}
        </Alert>
      )}
    </>
  );
}

function DemandTable({ screen }: { screen: Screen }) {
  const { t } = useTranslation("mig");
  const format = useFormat();
  const columns = useMemo(
    () => demandColumns(t, format, screen.historyDays),
    [t, format, screen.historyDays],
  );
  return (
    <Panel title={t("demand.title")} note={t("demand.note")}>
      <DataTable
        name="demand"
        label={t("demand.title")}
        rows={screen.demand}
        columns={columns}
        rowKey={(row) => row.profile}
        csvHref={apiHref("/api/v1/gpu/mig/profiles", { format: "csv" })}
        empty={<Empty title={t("demand.empty")} icon="slices" />}
      />
    </Panel>
  );
}

function Board({ screen }: { screen: Screen }) {
  const { t } = useTranslation("mig");
  const columns = useMemo(() => boardColumns(t, screen.geometries), [t, screen.geometries]);
  return (
    <Panel title={t("board.title")} note={t("board.note")} side={<StripLegend />}>
      <DataTable
        label={t("board.title")}
        rows={screen.devices}
        columns={columns}
        rowKey={(row) => row.deviceId}
        csvHref={apiHref("/api/v1/gpu/mig/instances", { format: "csv" })}
      />
    </Panel>
  );
}

function Plans() {
  const { t } = useTranslation("mig");
  const format = useFormat();
  const plans = useQuery(plansQuery);
  const columns = useMemo(() => planColumns(t, format), [t, format]);
  return (
    <Async query={plans}>
      {(list) => (
        <DataTable
          name="plans"
          label={t("view.plans")}
          rows={list.rows}
          columns={columns}
          rowKey={(row) => row.planId}
          sort="-createdAt"
          csvHref={apiHref("/api/v1/gpu/mig/plans", { format: "csv" })}
          empty={<Empty title={t("plans.empty")} hint={t("plans.emptyHint")} icon="slices" />}
        />
      )}
    </Async>
  );
}
