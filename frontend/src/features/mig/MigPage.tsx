import { Alert, Button, SegmentedControl, SimpleGrid } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { useUrlState } from "../../lib/urlState";
import { useLive } from "../../lib/useLive";
import { DataTable } from "../../ui/DataTable";
import { Figure } from "../../ui/Figure";
import { Icon } from "../../ui/Icon";
import { moreOf } from "../../ui/morePages";
import { Page } from "../../ui/Page";
import { useMay } from "../../ui/session";
import { Async, Empty, Panel } from "../../ui/states";
import { useTableState } from "../../ui/tableState";
import { useFormat } from "../../ui/useFormat";
import { devicesQuery, plansQuery, type Screen, screenQuery } from "./api";
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
      isEmpty={(found) => found.devices === 0}
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
        <Figure label={t("figure.gpus")} value={format.number(screen.devices)} />
        <Figure
          label={t("figure.held")}
          value={format.number(screen.heldSlices)}
          note={t("figure.of", { total: format.number(screen.slices) })}
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
          value={format.number(screen.strandedUnits)}
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

const SORT = "nodeName";

function Board({ screen }: { screen: Screen }) {
  const { t } = useTranslation("mig");
  const columns = useMemo(() => boardColumns(t, screen), [t, screen]);
  const { sort, search, filters } = useTableState("");
  const { modelId, state, largestProfile } = filters;
  const list = useInfiniteQuery(
    devicesQuery({ sort: sort || SORT, search, modelId, state, largestProfile }),
  );
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.rows) ?? [], [list.data]);
  return (
    <Panel title={t("board.title")} note={t("board.note")} side={<StripLegend />}>
      <Async query={list} rows={12}>
        {() => (
          <DataTable
            label={t("board.title")}
            rows={rows}
            columns={columns}
            rowKey={(row) => row.deviceId}
            sort={SORT}
            isServerSide
            csvHref={apiHref("/api/v1/gpu/mig/instances", { format: "csv" })}
            more={moreOf(list)}
          />
        )}
      </Async>
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
