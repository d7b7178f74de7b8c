import { Alert, Anchor, Group, List, SimpleGrid, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { useLive } from "../../lib/useLive";
import { Figure } from "../../ui/Figure";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { StateBadge } from "../../ui/StateBadge";
import { Async, Panel } from "../../ui/states";
import { Told } from "../../ui/Told";
import { useFormat } from "../../ui/useFormat";
import { type DeviceDetail, deviceQuery, healthQuery, nodeQuery } from "./api";
import { DeviceActions } from "./DeviceActions";
import { DeviceCharts } from "./DeviceCharts";
import { DeviceTimeline } from "./DeviceTimeline";
import { Facts } from "./facts";
import { ReasonWords } from "./ReasonWords";
import { ShareDrawing, SlotDrawing } from "./SlotDrawing";

/** One GPU: who has it, how it is, how it was. */
export default function DevicePage() {
  const { t } = useTranslation("fleet");
  const { deviceId = "" } = useParams({ strict: false }) as { deviceId?: string };
  const device = useQuery(deviceQuery(deviceId));
  useLive(["device.*", "mig.*", "allocation.*"], ["devices", deviceId]);
  const found = device.data?.value;
  const crumbs = [{ label: t("title"), to: "/fleet" }];
  if (found) crumbs.push({ label: found.nodeName, to: `/fleet/nodes/${found.nodeName}` });
  return (
    <Page
      title={deviceId}
      crumbs={crumbs}
      lead={
        found && (
          <Group gap="xs">
            <StateBadge state={found.status} />
            {found.modelName}
          </Group>
        )
      }
      actions={found && <DeviceActions device={found} />}
    >
      <Async query={device}>{({ value }) => <Content device={value} />}</Async>
    </Page>
  );
}

function Content({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation("fleet");
  return (
    <>
      {device.stateReason && device.state !== "READY" && (
        <Alert color="yellow" variant="light" icon={<Icon name="warning" />}>
          {t("device.why")} <ReasonWords reason={device.stateReason} />
        </Alert>
      )}
      <Now device={device} />
      <Health deviceId={device.deviceId} />
      <Panel
        title={t("device.occupancy")}
        note={device.mig ? t("slots.note") : undefined}
        side={
          device.mig?.migEnabled && (
            <Anchor component={Link} to={`/mig/gpus/${device.deviceId}` as never} size="sm">
              {t("slots.edit")}
            </Anchor>
          )
        }
      >
        {device.mig ? (
          <SlotDrawing
            units={device.mig.placementUnits}
            slices={device.mig.instances}
            holders={device.allocations}
          />
        ) : (
          <ShareDrawing device={device} />
        )}
      </Panel>
      <DeviceTimeline deviceId={device.deviceId} isMig={device.migSupported} />
      <DeviceCharts deviceId={device.deviceId} />
      <Neighbours device={device} />
      <About device={device} />
    </>
  );
}

function Now({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation("fleet");
  const format = useFormat();
  const measured = device.gpuUtilization == null ? t("device.unmeasured") : undefined;
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} spacing="sm">
      <Figure
        label={t("sums.free")}
        value={format.ratio(device.freeMilli / 1000)}
        note={t("device.holders", { count: device.allocations.length })}
        to={`/allocations?deviceId=${device.deviceId}`}
      />
      <Figure label={t("col.use")} value={format.pct(device.gpuUtilization)} note={measured} />
      <Figure
        label={t("device.memory")}
        value={format.mib(device.memoryUsedMb)}
        note={t("sums.of", { total: format.mib(device.memoryTotalMb) })}
      />
      <Figure
        label={t("col.temperature")}
        value={format.number(device.temperature)}
        unit={device.temperature == null ? undefined : "°C"}
      />
      <Figure
        label={t("col.power")}
        value={format.number(device.powerDrawW)}
        unit={device.powerDrawW == null ? undefined : "W"}
        note={device.powerLimitW ? t("sums.of", { total: `${device.powerLimitW} W` }) : undefined}
      />
      <Figure
        label={t("device.price")}
        value={format.money(device.costPerHour)}
        unit={t("device.perHour")}
        to="/rates"
      />
    </SimpleGrid>
  );
}

function Health({ deviceId }: { deviceId: string }) {
  const { t } = useTranslation("fleet");
  const format = useFormat();
  const health = useQuery(healthQuery(deviceId));
  return (
    <Panel title={t("health.title")}>
      <Async query={health} rows={2}>
        {(found) => (
          <>
            <Group gap="xs">
              <StateBadge state={found.verdict} />
              <Text size="sm" c="dimmed">
                {found.verdictSince
                  ? t("health.since", { time: format.time(found.verdictSince) })
                  : t("health.never")}
              </Text>
            </Group>
            {found.findings.length > 0 && (
              <List size="sm" mt="xs">
                {found.findings.map((finding) => (
                  <List.Item key={finding.code}>
                    <b>{finding.code}</b>{" "}
                    <Told
                      kind="finding"
                      code={finding.code}
                      facts={finding.facts}
                      own={finding.message}
                    />
                  </List.Item>
                ))}
              </List>
            )}
          </>
        )}
      </Async>
    </Panel>
  );
}

function Neighbours({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation("fleet");
  const node = useQuery(nodeQuery(device.nodeName));
  return (
    <Panel title={t("device.neighbours", { node: device.nodeName })}>
      <Async query={node} rows={2}>
        {({ value }) => (
          <Group gap="sm">
            {value.devices
              .filter((one) => one.deviceId !== device.deviceId)
              .map((one) => (
                <Group key={one.deviceId} gap={6}>
                  <Anchor component={Link} to={`/fleet/gpus/${one.deviceId}` as never} size="sm">
                    {one.deviceId}
                  </Anchor>
                  <StateBadge state={one.status} />
                  {device.nvlinkPeers.includes(one.deviceId) && (
                    <Text size="xs" c="dimmed">
                      NVLink
                    </Text>
                  )}
                </Group>
              ))}
            {value.devices.length < 2 && (
              <Text size="sm" c="dimmed">
                {t("device.alone")}
              </Text>
            )}
          </Group>
        )}
      </Async>
    </Panel>
  );
}

function About({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation("fleet");
  const format = useFormat();
  return (
    <Panel title={t("device.about")}>
      <Facts
        rows={[
          [t("col.uuid"), device.uuid],
          [t("col.pci"), device.pciBusId],
          [t("device.serial"), device.serialNumber],
          [t("device.index"), device.deviceIndex],
          [t("col.driver"), device.driverVersion],
          [t("device.vbios"), device.vbios],
          [t("device.numa"), device.numaNode],
          [t("device.registered"), format.time(device.registeredAt)],
          [t("device.installed"), format.date(device.installedAt)],
          [t("device.warranty"), format.date(device.warrantyUntil)],
          [t("col.seen"), format.time(device.lastSeenAt)],
        ]}
      />
    </Panel>
  );
}
