import { SimpleGrid, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useUrlState } from "../../lib/urlState";
import { Figure } from "../../ui/Figure";
import { Page } from "../../ui/Page";
import { Async, Empty } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { nodesQuery, podsQuery, type Summary, summaryQuery } from "./api";
import { Namespaces, Nodes, Pods } from "./tables";

/** Ordinary CPU and memory: what is there, asked for and used. */
export default function ResourcesPage() {
  const { t } = useTranslation("resources");
  const summary = useQuery(summaryQuery);
  return (
    <Page title={t("title")} lead={t("lead")}>
      <Async
        query={summary}
        rows={8}
        isEmpty={(found) => found.collectedAt === null}
        empty={<Empty title={t("empty.title")} hint={t("empty.hint")} icon="resources" />}
      >
        {(found) => (
          <>
            <Totals summary={found} />
            <Parts summary={found} />
          </>
        )}
      </Async>
    </Page>
  );
}

function Totals({ summary }: { summary: Summary }) {
  const { t } = useTranslation("resources");
  const format = useFormat();
  const { totals, usage, analysis } = summary;
  const cores = (milli: number) => format.number(milli / 1000);
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }}>
      <Figure
        label={t("figure.cpu")}
        value={format.pct(usage.cpuRequestedPct)}
        note={t("figure.of", {
          asked: cores(totals.cpuRequestedMilli),
          all: cores(totals.cpuAllocatableMilli),
          unit: ` ${t("cores")}`,
          used: format.pct(usage.cpuUsedPct),
        })}
      />
      <Figure
        label={t("figure.memory")}
        value={format.pct(usage.memoryRequestedPct)}
        note={t("figure.of", {
          asked: format.mib(totals.memoryRequestedMib),
          all: format.mib(totals.memoryAllocatableMib),
          unit: "",
          used: format.pct(usage.memoryUsedPct),
        })}
      />
      <Figure
        label={t("figure.stranded")}
        value={format.number(analysis.strandedGpus)}
        tone={analysis.strandedGpus > 0 ? "warn" : "plain"}
        note={t("figure.strandedNote")}
      />
      <Figure
        label={t("figure.waste")}
        value={analysis.cpuWasteMilli === null ? "–" : cores(analysis.cpuWasteMilli)}
        unit={t("cores")}
        note={t("figure.wasteNote", {
          memory: format.mib(analysis.memoryWasteMib),
          pods: format.number(analysis.overRequestedPods),
        })}
      />
    </SimpleGrid>
  );
}

function Parts({ summary }: { summary: Summary }) {
  const { t } = useTranslation("resources");
  const [tab, setTab] = useUrlState("by", "nodes");
  const [namespace] = useUrlState("namespace");
  const [node] = useUrlState("node");
  const nodes = useQuery({ ...nodesQuery, enabled: tab === "nodes" });
  const pods = useQuery({ ...podsQuery(namespace, node), enabled: tab === "pods" });
  return (
    <Tabs value={tab} onChange={(value) => setTab(value ?? "nodes")} keepMounted={false}>
      <Tabs.List mb="md">
        {["nodes", "namespaces", "pods"].map((one) => (
          <Tabs.Tab key={one} value={one}>
            {t(`by.${one}`)}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <Tabs.Panel value="nodes">
        <Async query={nodes} rows={8}>
          {(list) => <Nodes rows={list.rows} />}
        </Async>
      </Tabs.Panel>
      <Tabs.Panel value="namespaces">
        <Namespaces rows={summary.items} />
      </Tabs.Panel>
      <Tabs.Panel value="pods">
        <Async query={pods} rows={8}>
          {(list) => <Pods rows={list.rows} total={list.total} only={namespace || node} />}
        </Async>
      </Tabs.Panel>
    </Tabs>
  );
}
