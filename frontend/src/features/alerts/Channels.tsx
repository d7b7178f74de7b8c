import { Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { DataTable } from "../../ui/DataTable";
import { Icon } from "../../ui/Icon";
import { StateBadge } from "../../ui/StateBadge";
import { useMay } from "../../ui/session";
import { Async, Empty } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import { type Channel, channelsQuery } from "./api";
import { ChannelDialog } from "./ChannelDialog";
import { Deliveries } from "./Deliveries";
import { TestDialog } from "./TestDialog";

/** Where messages go, whether they arrive, and a way to try. */
export function Channels() {
  const { t } = useTranslation("alerts");
  const mayAct = useMay("admin");
  const channels = useQuery(channelsQuery);
  const [edited, setEdited] = useState<Channel | "new" | null>(null);
  const [tested, setTested] = useState<Channel | null>(null);
  const deeds = useMemo(() => (mayAct ? { edit: setEdited, test: setTested } : null), [mayAct]);
  const columns = useColumns(deeds);
  const add = mayAct && (
    <Button size="xs" leftSection={<Icon name="plus" />} onClick={() => setEdited("new")}>
      {t("channel.new")}
    </Button>
  );
  return (
    <>
      <Async query={channels} rows={5}>
        {(list) => (
          <Stack gap="md">
            <DataTable
              name="channels"
              label={t("tab.channels")}
              rows={list.rows}
              columns={columns}
              rowKey={(row) => String(row.id)}
              sort="name"
              tools={add}
              empty={
                <Empty
                  title={t("channel.none")}
                  hint={t("channel.noneHint")}
                  icon="alerts"
                  action={add}
                />
              }
            />
            {list.rows.length > 0 && <Deliveries channels={list.rows} />}
          </Stack>
        )}
      </Async>
      {edited && (
        <ChannelDialog channel={edited === "new" ? null : edited} onClose={() => setEdited(null)} />
      )}
      {tested && <TestDialog channel={tested} onClose={() => setTested(null)} />}
    </>
  );
}

interface Deeds {
  edit: (channel: Channel) => void;
  test: (channel: Channel) => void;
}

function useColumns(deeds: Deeds | null): Column<Channel>[] {
  const { t } = useTranslation("alerts");
  const format = useFormat();
  return useMemo(
    () => [
      {
        id: "name",
        header: t("channel.name"),
        value: (row) => row.name,
        cell: (row) => (
          <>
            <b>{row.name}</b>
            <Text size="xs" c="dimmed">
              {t(`channel.kinds.${row.kind}`)} · {row.host ?? (row.recipients.join(", ") || "–")}
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
        value: (row) => wantsOf(row).join(" · "),
        cell: (row) => (
          <div style={{ whiteSpace: "normal", minWidth: 140, maxWidth: 320 }}>
            {wantsOf(row).join(" · ") || t("channel.everything")}
          </div>
        ),
      },
      {
        id: "minSeverity",
        header: t("channel.from"),
        value: (row) => row.minSeverity,
        cell: (row) => t(`channel.severity.${row.minSeverity}`),
      },
      {
        id: "waiting",
        header: t("channel.waiting"),
        align: "end",
        value: (row) => row.waiting,
        cell: (row) => <Count channel={row} state="waiting" count={row.waiting} />,
      },
      {
        id: "dead",
        header: t("channel.dead"),
        align: "end",
        value: (row) => row.dead,
        cell: (row) => <Count channel={row} state="dead" count={row.dead} />,
      },
      {
        id: "lastSentAt",
        header: t("channel.last"),
        value: (row) => row.lastSentAt,
        cell: (row) => (
          <span title={format.time(row.lastSentAt)}>{format.since(row.lastSentAt)}</span>
        ),
      },
      ...(deeds
        ? [
            {
              id: "actions",
              header: "",
              cell: (row: Channel) => <Actions channel={row} deeds={deeds} />,
            },
          ]
        : []),
    ],
    [t, format, deeds],
  );
}

function Actions({ channel, deeds }: { channel: Channel; deeds: Deeds }) {
  const { t } = useTranslation("alerts");
  return (
    <Group gap={6} wrap="nowrap">
      <Button size="compact-xs" variant="default" onClick={() => deeds.test(channel)}>
        {t("channel.test")}
      </Button>
      {channel.origin === "api" ? (
        <Button size="compact-xs" variant="default" onClick={() => deeds.edit(channel)}>
          {t("app:action.edit")}
        </Button>
      ) : (
        <Text size="xs" c="dimmed" title={t("channel.ofSettingsHint")}>
          {t("channel.ofSettings")}
        </Text>
      )}
    </Group>
  );
}

interface CountProps {
  channel: Channel;
  state: "waiting" | "dead";
  count: number;
}

function Count({ channel, state, count }: CountProps) {
  const format = useFormat();
  if (count === 0) return <>0</>;
  const to = `/alerts?tab=channels&channel=${channel.id}&state=${state}`;
  return (
    <Anchor component={Link} to={to as never} size="sm">
      {format.number(count)}
    </Anchor>
  );
}

function wantsOf(channel: Channel): string[] {
  const labels = Object.entries(channel.labels).map(([name, value]) => `${name}=${value}`);
  return [channel.events.join(", "), channel.teams.join(", "), labels.join(", ")].filter(Boolean);
}

function stateOf(channel: Channel): "OK" | "failing" | "PAUSED" {
  if (!channel.enabled) return "PAUSED";
  return channel.failingSince ? "failing" : "OK";
}
