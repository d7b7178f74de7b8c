import { Button, Group, SegmentedControl, Text } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { api, got } from "../../api/client";
import { apiHref } from "../../lib/root";
import { useUrlStates } from "../../lib/urlState";
import { DataTable } from "../../ui/DataTable";
import { moreOf } from "../../ui/morePages";
import { StateBadge } from "../../ui/StateBadge";
import { useMay } from "../../ui/session";
import { Empty, Failed, Loading, Panel, Stale } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { tell, tellFailure } from "../../ui/toast";
import { useFormat } from "../../ui/useFormat";
import { type Channel, type Delivery, type DeliveryState, deliveriesQuery } from "./api";

const STATES = ["all", "dead", "waiting", "sent"] as const;
const LOOKS: Record<DeliveryState, string> = {
  sent: "DONE",
  digested: "DONE",
  waiting: "pending",
  dead: "FAILED",
};

/** What was sent, what waits, and what was given up and can be sent again. */
export function Deliveries({ channels }: { channels: Channel[] }) {
  const { t } = useTranslation("alerts");
  const [search, setSearch] = useUrlStates();
  const shown = STATES.find((one) => one === search.state) ?? "all";
  const only = channels.find((one) => String(one.id) === search.channel);
  const state = shown === "all" ? null : shown;
  const list = useInfiniteQuery(deliveriesQuery(state, only?.id ?? null));
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.rows) ?? [], [list.data]);
  const columns = useColumns(channels);
  const tools = (
    <SegmentedControl
      size="xs"
      aria-label={t("column.status")}
      value={shown}
      onChange={(value) => setSearch({ state: value === "all" ? undefined : value })}
      data={STATES.map((value) => ({ value, label: t(`delivery.state.${value}`) }))}
    />
  );
  const retry = () => void list.refetch();
  return (
    <Panel
      title={t("delivery.title")}
      note={t("delivery.note")}
      side={only && <Only channel={only} onAll={() => setSearch({ channel: undefined })} />}
    >
      {list.data === undefined && list.isError && <Failed error={list.error} retry={retry} />}
      {list.data === undefined && !list.isError && <Loading rows={5} />}
      {list.data && list.isError && <Stale since={list.dataUpdatedAt} retry={retry} />}
      {list.data && (
        <>
          {rows.length === 0 && <Group mb="xs">{tools}</Group>}
          <DataTable
            name="deliveries"
            label={t("delivery.title")}
            rows={rows}
            columns={columns}
            rowKey={(row) => String(row.id)}
            csvHref={apiHref("/api/v1/gpu/notifications/deliveries", {
              format: "csv",
              state: state ?? undefined,
              channelId: only ? String(only.id) : undefined,
            })}
            tools={tools}
            empty={<Empty title={t("delivery.none")} hint={t("delivery.noneHint")} icon="check" />}
            more={moreOf(list)}
          />
        </>
      )}
    </Panel>
  );
}

function Only({ channel, onAll }: { channel: Channel; onAll: () => void }) {
  const { t } = useTranslation("alerts");
  const mayAct = useMay("admin");
  const replay = useReplay();
  return (
    <Group gap="xs">
      <Text size="sm">{t("delivery.only", { name: channel.name })}</Text>
      <Button size="compact-xs" variant="default" onClick={onAll}>
        {t("delivery.all")}
      </Button>
      {mayAct && channel.dead > 0 && (
        <Button
          size="compact-xs"
          variant="default"
          loading={replay.isPending}
          onClick={() => replay.mutate({ channelId: channel.id })}
        >
          {t("delivery.replayAll", { count: channel.dead })}
        </Button>
      )}
    </Group>
  );
}

function useColumns(channels: Channel[]): Column<Delivery>[] {
  const { t } = useTranslation("alerts");
  const format = useFormat();
  const mayAct = useMay("admin");
  return useMemo(() => {
    const names = new Map(channels.map((one) => [one.id, one.name]));
    const nameOf = (row: Delivery) => names.get(row.channelId) ?? `#${row.channelId}`;
    return [
      {
        id: "createdAt",
        header: t("delivery.when"),
        value: (row) => row.createdAt,
        cell: (row) => format.time(row.createdAt),
      },
      { id: "channel", header: t("channel.name"), value: nameOf },
      {
        id: "what",
        header: t("column.what"),
        value: (row) => `${row.kind} ${row.title} ${row.text}`,
        cell: (row) => (
          <div style={{ whiteSpace: "normal", minWidth: 220, maxWidth: 460 }}>
            <Text size="sm" fw={600}>
              {row.title}
            </Text>
            <Text size="xs" c="dimmed">
              {row.kind} · {row.text}
            </Text>
          </div>
        ),
      },
      {
        id: "state",
        header: t("column.status"),
        value: (row) => row.state,
        cell: (row) => (
          <StateBadge state={LOOKS[row.state]} label={t(`delivery.state.${row.state}`)} />
        ),
      },
      {
        id: "attempts",
        header: t("delivery.attempts"),
        align: "end",
        value: (row) => row.attempts,
      },
      {
        id: "error",
        header: t("delivery.error"),
        value: (row) => row.error,
        cell: (row) => (
          <div style={{ whiteSpace: "normal", minWidth: 160, maxWidth: 320 }}>
            <Text size="xs">{row.error ?? "–"}</Text>
          </div>
        ),
      },
      ...(mayAct
        ? [{ id: "replay", header: "", cell: (row: Delivery) => <Again row={row} /> }]
        : []),
    ];
  }, [t, format, channels, mayAct]);
}

function Again({ row }: { row: Delivery }) {
  const { t } = useTranslation("alerts");
  const replay = useReplay();
  if (row.state !== "dead") return null;
  return (
    <Button
      size="compact-xs"
      variant="default"
      loading={replay.isPending}
      onClick={() => replay.mutate({ deliveryId: row.id })}
    >
      {t("delivery.replay")}
    </Button>
  );
}

type Asked = { deliveryId: number } | { channelId: number };

/** Send again what was given up: one message, or all of a channel. */
function useReplay() {
  const { t } = useTranslation("alerts");
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (asked: Asked) => {
      if ("deliveryId" in asked) {
        const params = { path: asked };
        await api.POST("/api/v1/gpu/notifications/deliveries/{deliveryId}/replay", { params });
        return 1;
      }
      const params = { path: asked };
      const done = await got(
        api.POST("/api/v1/gpu/notifications/channels/{channelId}/replay", { params }),
      );
      return done.replayed;
    },
    onSuccess: (count) => tell(t("delivery.replayed", { count })),
    onError: (error) => tellFailure(t("delivery.replayFailed"), error),
    onSettled: () => client.invalidateQueries({ queryKey: ["notifications"] }),
  });
}
