import { Button, Grid, Group, SimpleGrid, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useLive } from "../../lib/useLive";
import { Page } from "../../ui/Page";
import { useMay } from "../../ui/session";
import { Async, Panel } from "../../ui/states";
import { ExtendDialog, ReleaseDialog } from "./actions";
import { type AllocationDetail, allocationQuery } from "./api";
import { Phase, sizeOf } from "./columns";
import { Decision } from "./Decision";
import { Events } from "./Events";
import { Conditions, Facts } from "./Facts";
import { Holds } from "./Holds";
import { Money } from "./Money";
import { Usage } from "./Usage";
import { Message } from "./words";

/** One allocation: what it holds, why there, what it does and what it costs. */
export default function AllocationPage() {
  const { t } = useTranslation("allocations");
  const { allocationId = "" } = useParams({ strict: false }) as { allocationId?: string };
  const found = useQuery(allocationQuery(allocationId));
  useLive(["allocation.*"], ["allocations", "one", allocationId]);
  useLive(["allocation.*"], ["allocations", "events", allocationId]);
  const one = found.data;
  return (
    <Page
      title={one?.podName ?? t("detail.title")}
      crumbs={[{ label: t("title"), to: "/allocations" }]}
      lead={
        one && (
          <Group gap="xs">
            <Phase row={one} />
            <span>
              {one.namespace} · {sizeOf(one, t)} · {t(`workload.${one.workloadType}`)}
            </span>
          </Group>
        )
      }
      actions={one && <Actions one={one} />}
    >
      <Async query={found} rows={10}>
        {(allocation) => <Detail one={allocation} />}
      </Async>
    </Page>
  );
}

function Actions({ one }: { one: AllocationDetail }) {
  const { t } = useTranslation("allocations");
  const mayWrite = useMay("allocations.write");
  const [open, setOpen] = useState<"release" | "extend" | null>(null);
  if (!mayWrite || !["Allocated", "Pending"].includes(one.phase)) return null;
  const close = () => setOpen(null);
  return (
    <>
      {one.phase === "Allocated" && (
        <Button variant="default" onClick={() => setOpen("extend")}>
          {t("extend.open")}
        </Button>
      )}
      <Button color="red" variant="outline" onClick={() => setOpen("release")}>
        {t("release.open")}
      </Button>
      {open === "release" && <ReleaseDialog one={one} onClose={close} />}
      {open === "extend" && <ExtendDialog one={one} onClose={close} />}
    </>
  );
}

function Detail({ one }: { one: AllocationDetail }) {
  const { t } = useTranslation("allocations");
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        <Money one={one} />
      </SimpleGrid>
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: 7 }}>
          <Stack gap="md">
            <Panel title={t("usage.title")} note={t("usage.note")}>
              <Usage one={one} />
            </Panel>
            <Panel title={t("holds.title")}>
              <Holds one={one} />
            </Panel>
            <Panel title={t("events.title")}>
              <Events allocationId={one.allocationId} />
            </Panel>
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 5 }}>
          <Stack gap="md">
            <Panel
              title={one.phase === "Pending" ? t("decision.waiting") : t("decision.title")}
              note={<Message one={one} />}
            >
              <Decision facts={one.decision} />
            </Panel>
            {one.conditions.length > 0 && (
              <Panel title={t("conditions.title")}>
                <Conditions one={one} />
              </Panel>
            )}
            <Panel title={t("facts.title")}>
              <Facts one={one} />
            </Panel>
          </Stack>
        </Grid.Col>
      </Grid>
    </Stack>
  );
}
