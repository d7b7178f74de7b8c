import { Grid, SegmentedControl, SimpleGrid } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useUrlState } from "../../lib/urlState";
import { useLive } from "../../lib/useLive";
import { Page } from "../../ui/Page";
import { useMay } from "../../ui/session";
import { Async, Empty } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { AlertsPanel } from "./AlertsPanel";
import { type Screen, screenQuery } from "./api";
import { BudgetsPanel } from "./BudgetsPanel";
import { DaysPanel } from "./DaysPanel";
import { FleetPanel } from "./FleetPanel";
import { FunnelPanel } from "./FunnelPanel";
import { IdlePanel } from "./IdlePanel";
import { MoneyStrip } from "./MoneyStrip";
import { OwnPanel } from "./OwnPanel";
import { SlicesPanel } from "./SlicesPanel";
import { SourcesLine } from "./SourcesLine";
import { TeamsPanel } from "./TeamsPanel";
import { WaitingPanel } from "./WaitingPanel";

const WINDOWS = ["7", "14", "30"];

/** The fleet in one screen: what there is, who waits, what idles, what it costs. */
export default function OverviewPage() {
  const { t } = useTranslation("overview");
  const format = useFormat();
  const [days, setDays] = useUrlState("days", "14");
  const screen = useQuery(screenQuery(WINDOWS.includes(days) ? Number(days) : 14));
  useLive(["*"], ["overview"]);
  return (
    <Page
      title={t("title")}
      lead={
        screen.data &&
        t("lead", {
          cluster: screen.data.clusterName,
          nodes: format.number(screen.data.totalNodes),
          time: format.clock(screen.data.generatedAt),
        })
      }
      actions={
        <SegmentedControl
          size="xs"
          aria-label={t("window")}
          value={days}
          onChange={setDays}
          data={WINDOWS.map((value) => ({ value, label: t("days", { count: Number(value) }) }))}
        />
      }
    >
      <Async
        query={screen}
        rows={12}
        isEmpty={(data) => data.totalDevices === 0}
        empty={<Empty title={t("empty.title")} hint={t("empty.hint")} icon="gpu" />}
      >
        {(data) => <Panels screen={data} />}
      </Async>
    </Page>
  );
}

function Panels({ screen }: { screen: Screen }) {
  const runsFleet = useMay("devices.list");
  const paysFirst = screen.teams !== null && !runsFleet;
  return (
    <>
      {screen.own && <OwnPanel own={screen.own} />}
      {paysFirst && <Spending screen={screen} />}
      <FunnelPanel screen={screen} />
      {!paysFirst && <MoneyStrip money={screen.money} days={screen.days} />}
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: 8 }}>
          <FleetPanel nodes={screen.nodes} />
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 4 }}>
          <AlertsPanel alerts={screen.alerts} />
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 8 }}>
          <DaysPanel days={screen.days} />
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 4 }}>
          <WaitingPanel waiting={screen.waiting} />
        </Grid.Col>
      </Grid>
      {!paysFirst && screen.teams && <TeamsPanel teams={screen.teams} />}
      <SimpleGrid cols={{ base: 1, md: 2, xl: paysFirst ? 2 : 3 }}>
        <IdlePanel idle={screen.idle} />
        {!paysFirst && <BudgetsPanel budgets={screen.budgets} />}
        <SlicesPanel slices={screen.slices} />
      </SimpleGrid>
      <SourcesLine sources={screen.sources} />
    </>
  );
}

/** What comes first for who pays: the money, what each team cost, and the budgets. */
function Spending({ screen }: { screen: Screen }) {
  return (
    <>
      <MoneyStrip money={screen.money} days={screen.days} />
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: 8 }}>
          {screen.teams && <TeamsPanel teams={screen.teams} />}
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 4 }}>
          <BudgetsPanel budgets={screen.budgets} />
        </Grid.Col>
      </Grid>
    </>
  );
}
