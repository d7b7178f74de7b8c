import { Button, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { api, got } from "../../api/client";
import { DataTable } from "../../ui/DataTable";
import { StateBadge } from "../../ui/StateBadge";
import { Async, Empty } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { tell, tellFailure } from "../../ui/toast";
import { useFormat } from "../../ui/useFormat";
import { type Channel, channelsQuery } from "./api";

/** Where messages go, whether they arrive, and a way to try. */
export function Channels() {
  const { t } = useTranslation("alerts");
  const format = useFormat();
  const channels = useQuery(channelsQuery);
  const columns = useMemo<Column<Channel>[]>(
    () => [
      {
        id: "name",
        header: t("channel.name"),
        value: (row) => row.name,
        cell: (row) => (
          <>
            <b>{row.name}</b>
            <Text size="xs" c="dimmed">
              {row.kind} · {row.host ?? row.recipients.join(", ")}
            </Text>
          </>
        ),
      },
      {
        id: "state",
        header: t("column.status"),
        value: (row) => stateOf(row),
        cell: (row) => (
          <StateBadge state={stateOf(row)} label={t(`channel.state.${stateOf(row)}`)} />
        ),
      },
      {
        id: "wants",
        header: t("channel.wants"),
        value: (row) => row.events.join(", "),
        cell: (row) => (row.events.length > 0 ? row.events.join(", ") : t("channel.everything")),
      },
      {
        id: "minSeverity",
        header: t("channel.from"),
        value: (row) => row.minSeverity,
      },
      {
        id: "waiting",
        header: t("channel.waiting"),
        align: "end",
        value: (row) => row.waiting,
      },
      { id: "dead", header: t("channel.dead"), align: "end", value: (row) => row.dead },
      {
        id: "lastSentAt",
        header: t("channel.last"),
        value: (row) => row.lastSentAt,
        cell: (row) => format.time(row.lastSentAt),
      },
      { id: "test", header: "", cell: (row) => <Test channel={row} /> },
    ],
    [t, format],
  );
  return (
    <Async query={channels} rows={5}>
      {(list) => (
        <DataTable
          name="channels"
          label={t("tab.channels")}
          rows={list.rows}
          columns={columns}
          rowKey={(row) => String(row.id)}
          sort="name"
          empty={<Empty title={t("channel.none")} hint={t("channel.noneHint")} icon="alerts" />}
        />
      )}
    </Async>
  );
}

function stateOf(channel: Channel): "OK" | "failing" | "PAUSED" {
  if (!channel.enabled) return "PAUSED";
  return channel.failingSince ? "failing" : "OK";
}

function Test({ channel }: { channel: Channel }) {
  const { t } = useTranslation("alerts");
  const client = useQueryClient();
  const test = useMutation({
    mutationFn: () =>
      got(
        api.POST("/api/v1/gpu/notifications/channels/{channelId}/test", {
          params: { path: { channelId: channel.id } },
        }),
      ),
    onSuccess: (delivery) =>
      delivery.error
        ? tellFailure(t("channel.testFailed"), new Error(delivery.error))
        : tell(t("channel.tested"), channel.name),
    onError: (error) => tellFailure(t("channel.testFailed"), error),
    onSettled: () => client.invalidateQueries({ queryKey: ["notifications"] }),
  });
  return (
    <Button
      size="compact-xs"
      variant="default"
      loading={test.isPending}
      onClick={() => test.mutate()}
    >
      {t("channel.test")}
    </Button>
  );
}
