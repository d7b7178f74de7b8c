import { Group, NumberInput, Select, Switch, TagsInput, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { teamNamesQuery } from "./api";
import type { PartProps } from "./ChannelAddress";
import type { ChannelForm } from "./channelForm";

const KINDS = [
  "alert.*",
  "alert.firing",
  "alert.resolved",
  "alert.escalated",
  "device.failure",
  "device.overheating",
  "device.*",
  "allocation.*",
  "allocation.failed",
  "allocation.expiring",
  "allocation.idle",
  "budget.*",
  "cluster.*",
  "mig.plan.*",
  "notification.failing",
];
const SEVERITIES = ["info", "warning", "error", "critical"] as const;

/** Of what it is told: kinds, severity, teams, labels; and when not. */
export function ChannelRoute({ form, change, errors }: PartProps) {
  const { t } = useTranslation("alerts");
  const teams = useQuery(teamNamesQuery);
  return (
    <>
      <TagsInput
        label={t("channel.events")}
        description={t("channel.eventsHint")}
        data={KINDS}
        value={form.events}
        error={errors.events}
        onChange={(events) => change({ events })}
      />
      <Select
        label={t("channel.from")}
        allowDeselect={false}
        data={SEVERITIES.map((value) => ({ value, label: t(`channel.severity.${value}`) }))}
        value={form.minSeverity}
        onChange={(value) => change({ minSeverity: value as ChannelForm["minSeverity"] })}
      />
      <TagsInput
        label={t("channel.teams")}
        description={t("channel.teamsHint")}
        data={teams.data ?? []}
        value={form.teams}
        error={errors.teams}
        onChange={(names) => change({ teams: names })}
      />
      <TagsInput
        label={t("channel.labels")}
        description={t("channel.labelsHint")}
        value={form.labels}
        error={
          form.labels.some((one) => !/^[^=]+=/.test(one)) ? t("channel.labelsWrong") : errors.labels
        }
        onChange={(labels) => change({ labels })}
      />
      <NumberInput
        label={t("channel.most")}
        description={t("channel.mostHint")}
        min={1}
        max={600}
        allowDecimal={false}
        value={form.maxPerMinute}
        error={errors.maxPerMinute}
        onChange={(value) => change({ maxPerMinute: value === "" ? "" : Number(value) })}
      />
      <Quiet form={form} change={change} errors={errors} />
    </>
  );
}

function Quiet({ form, change, errors }: PartProps) {
  const { t } = useTranslation("alerts");
  const zones = useMemo(
    () => [...new Set(["UTC", form.timezone, ...Intl.supportedValuesOf("timeZone")])],
    [form.timezone],
  );
  return (
    <>
      <Switch
        label={t("channel.quiet")}
        description={t("channel.quietHint")}
        checked={form.isQuiet}
        onChange={(event) => change({ isQuiet: event.currentTarget.checked })}
      />
      {form.isQuiet && (
        <Group grow align="flex-start">
          <TextInput
            type="time"
            label={t("channel.quietFrom")}
            required
            value={form.quietFrom}
            error={errors["quietHours.from"]}
            onChange={(event) => change({ quietFrom: event.currentTarget.value })}
          />
          <TextInput
            type="time"
            label={t("channel.quietUntil")}
            required
            value={form.quietUntil}
            error={errors["quietHours.until"]}
            onChange={(event) => change({ quietUntil: event.currentTarget.value })}
          />
          <Select
            label={t("channel.quietZone")}
            searchable
            allowDeselect={false}
            data={zones}
            value={form.timezone}
            error={errors["quietHours.timezone"]}
            onChange={(timezone) => change({ timezone: timezone ?? "UTC" })}
          />
        </Group>
      )}
    </>
  );
}
