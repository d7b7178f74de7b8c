import { Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../../ui/Icon";
import { Told } from "../../ui/Told";
import { useFormat } from "../../ui/useFormat";
import type { AllocationDetail } from "./api";
import { sentenceOf } from "./words";

/** What was asked for, and by whom. */
export function Facts({ one }: { one: AllocationDetail }) {
  const { t } = useTranslation("allocations");
  const format = useFormat();
  const labels = Object.entries(one.nodeSelector).map(([name, value]) => `${name}=${value}`);
  const rows: [string, ReactNode][] = [
    [t("facts.id"), <code key="id">{one.allocationId}</code>],
    [t("column.team"), one.teamId && <TeamLink key="team" team={one.teamId} />],
    [t("column.user"), one.userId],
    [t("facts.pod"), `${one.namespace}/${one.podName}`],
    [t("facts.podUid"), one.podUid],
    [t("facts.node"), one.nodeName && <NodeLink key="node" name={one.nodeName} />],
    [t("facts.resource"), one.resources.join(", ")],
    [t("facts.models"), one.modelIds.join(", ")],
    [t("facts.labels"), labels.join(", ")],
    [t("facts.host"), hostOf(one, format.mib(one.memoryMib), t("facts.cores"))],
    [t("column.priority"), String(one.priority)],
    [t("facts.requested"), format.time(one.requestedAt)],
    [t("facts.allocated"), one.allocatedAt && format.time(one.allocatedAt)],
    [t("facts.expires"), one.expiresAt && format.time(one.expiresAt)],
    [t("facts.waitUntil"), one.waitUntil && format.time(one.waitUntil)],
    [t("facts.released"), one.releasedAt && format.time(one.releasedAt)],
    [
      t("facts.reason"),
      one.releaseReason && (
        <Told key="reason" kind="ended" code={one.releaseReason} own={one.releaseReason} />
      ),
    ],
    [t("facts.claim"), one.claimName],
  ];
  return (
    <table className="rows">
      <tbody>
        {rows
          .filter(([, value]) => value)
          .map(([label, value]) => (
            <tr key={label}>
              <th scope="row" style={{ position: "static" }}>
                {label}
              </th>
              <td style={{ whiteSpace: "normal" }}>{value}</td>
            </tr>
          ))}
      </tbody>
    </table>
  );
}

function hostOf(one: AllocationDetail, memory: string, cores: string): string | null {
  if (one.cpuMilli === 0 && one.memoryMib === 0) return null;
  return `${one.cpuMilli / 1000} ${cores} · ${memory}`;
}

function NodeLink({ name }: { name: string }) {
  return <Link to={`/fleet/nodes/${encodeURIComponent(name)}` as never}>{name}</Link>;
}

function TeamLink({ team }: { team: string }) {
  return <Link to={`/allocations?team=${encodeURIComponent(team)}` as never}>{team}</Link>;
}

type Condition = AllocationDetail["conditions"][number];

function ConditionWords({ condition, one }: { condition: Condition; one: AllocationDetail }) {
  const [kind, code, facts] = sentenceOf(condition, one);
  return <Told kind={kind} code={code} facts={facts} own={condition.message} />;
}

/** How far it has come: enforced, bound, idle, on its way out. */
export function Conditions({ one }: { one: AllocationDetail }) {
  const { t } = useTranslation("allocations");
  const format = useFormat();
  return (
    <Stack gap="xs">
      {one.conditions.map((condition) => (
        <div key={condition.type}>
          <Text size="sm" fw={600} component="div">
            <Icon name={condition.status === "True" ? "check" : "info"} size={14} />{" "}
            {t(`conditions.type.${condition.type}`, { defaultValue: condition.type })}:{" "}
            {t(`conditions.status.${condition.status}`, { defaultValue: condition.status })}
          </Text>
          <Text size="xs" c="dimmed" component="div">
            <ConditionWords condition={condition} one={one} /> ·{" "}
            {format.time(condition.lastTransitionTime)}
          </Text>
        </div>
      ))}
    </Stack>
  );
}
