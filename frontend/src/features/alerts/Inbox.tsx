import { Button, Group, SegmentedControl, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { useUrlState } from "../../lib/urlState";
import { AlertWords } from "../../ui/AlertWords";
import { DataTable } from "../../ui/DataTable";
import { moreOf } from "../../ui/morePages";
import { StateBadge } from "../../ui/StateBadge";
import { useMay } from "../../ui/session";
import { Empty, Failed, Loading, Stale } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import { type Alert, type AlertStatus, alertsQuery } from "./api";
import { SilenceDialog } from "./SilenceDialog";
import { useAcknowledge } from "./useAcknowledge";
import { useEndSilence } from "./useSilences";

const SHOWN: Record<string, AlertStatus[]> = {
  open: [],
  firing: ["firing"],
  acknowledged: ["acknowledged"],
  silenced: ["silenced"],
  resolved: ["resolved"],
};

/** Alerts, the newest first, with what can be done about each. */
export function Inbox() {
  const { t } = useTranslation("alerts");
  const mayAct = useMay("general.write");
  const [shown, setShown] = useUrlState("status", "open");
  const [silenced, setSilenced] = useState<Alert | null>(null);
  const list = useInfiniteQuery(alertsQuery(SHOWN[shown] ?? []));
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.rows) ?? [], [list.data]);
  const columns = useColumns(mayAct ? setSilenced : undefined);
  if (list.data === undefined) {
    return list.isError ? (
      <Failed error={list.error} retry={() => void list.refetch()} />
    ) : (
      <Loading rows={8} />
    );
  }
  return (
    <>
      {list.isError && <Stale since={list.dataUpdatedAt} retry={() => void list.refetch()} />}
      <SegmentedControl
        size="xs"
        mb="sm"
        aria-label={t("column.status")}
        value={shown in SHOWN ? shown : "open"}
        onChange={setShown}
        data={Object.keys(SHOWN).map((value) => ({ value, label: t(`status.${value}`) }))}
      />
      <DataTable
        label={t("title")}
        rows={rows}
        columns={columns}
        rowKey={(row) => row.alertId}
        csvHref={apiHref("/api/v1/gpu/alerts", { format: "csv", status: SHOWN[shown]?.join(",") })}
        empty={<Empty title={t("empty.title")} hint={t("empty.hint")} icon="check" />}
        more={moreOf(list)}
      />
      {silenced && <SilenceDialog alert={silenced} onClose={() => setSilenced(null)} />}
    </>
  );
}

function useColumns(onSilence?: (alert: Alert) => void): Column<Alert>[] {
  const { t } = useTranslation("alerts");
  const format = useFormat();
  return useMemo(
    () => [
      {
        id: "severity",
        header: t("column.severity"),
        value: (row) => row.severity,
        filter: "values",
        cell: (row) => <StateBadge state={row.severity} />,
      },
      {
        id: "status",
        header: t("column.status"),
        value: (row) => row.status,
        cell: (row) => <StateBadge state={row.status} />,
      },
      {
        id: "message",
        header: t("column.what"),
        value: (row) => `${row.alertType} ${row.summary} ${row.message}`,
        cell: (row) => <What alert={row} />,
      },
      {
        id: "where",
        header: t("column.where"),
        value: (row) => row.deviceId ?? row.nodeName ?? row.team,
        cell: (row) => <Where alert={row} />,
      },
      {
        id: "firedAt",
        header: t("column.since"),
        value: (row) => row.firedAt,
        cell: (row) => <span title={format.time(row.firedAt)}>{format.since(row.firedAt)}</span>,
      },
      {
        id: "resolvedAt",
        header: t("column.until"),
        value: (row) => row.resolvedAt,
        cell: (row) => format.time(row.resolvedAt),
        hidden: true,
      },
      {
        id: "who",
        header: t("column.who"),
        value: (row) => row.acknowledgedBy,
        cell: (row) => <span title={row.comment ?? ""}>{row.acknowledgedBy ?? "–"}</span>,
      },
      ...(onSilence
        ? [
            {
              id: "actions",
              header: "",
              cell: (row: Alert) => <Actions alert={row} onSilence={() => onSilence(row)} />,
            },
          ]
        : []),
    ],
    [t, format, onSilence],
  );
}

function What({ alert }: { alert: Alert }) {
  return (
    <div style={{ whiteSpace: "normal", minWidth: 220, maxWidth: 520 }}>
      <Text size="sm" fw={600} component="div">
        <AlertWords name={alert.alertType} part="summary" facts={alert} own={alert.summary} />
      </Text>
      <Text size="xs" c="dimmed" component="div">
        {alert.alertType} ·{" "}
        <AlertWords name={alert.alertType} part="message" facts={alert} own={alert.message} />
      </Text>
    </div>
  );
}

function Where({ alert }: { alert: Alert }) {
  const { t } = useTranslation("alerts");
  const holders = alert.allocations.length;
  const held = holders > 0 && (
    <Text size="xs" c="dimmed">
      {t("held", { count: holders, shown: holders })}
    </Text>
  );
  if (alert.deviceId) {
    return (
      <>
        <Link to={`/fleet/gpus/${encodeURIComponent(alert.deviceId)}` as never}>
          {alert.deviceId}
        </Link>
        {held}
      </>
    );
  }
  if (alert.nodeName) {
    return (
      <Link to={`/fleet/nodes/${encodeURIComponent(alert.nodeName)}` as never}>
        {alert.nodeName}
      </Link>
    );
  }
  return <>{alert.team ?? alert.clusterName ?? "–"}</>;
}

function Actions({ alert, onSilence }: { alert: Alert; onSilence: () => void }) {
  const { t } = useTranslation("alerts");
  const acknowledge = useAcknowledge();
  const end = useEndSilence();
  const { silenceId } = alert;
  if (alert.status === "resolved") return null;
  return (
    <Group gap={6} wrap="nowrap">
      {alert.status === "firing" && (
        <Button
          size="compact-xs"
          variant="default"
          onClick={() => acknowledge.mutate(alert.alertId)}
        >
          {t("acknowledge.send")}
        </Button>
      )}
      {alert.status === "silenced" && silenceId !== null && (
        <Button size="compact-xs" variant="default" onClick={() => end.mutate(silenceId)}>
          {t("silence.undo")}
        </Button>
      )}
      {alert.status !== "silenced" && (
        <Button size="compact-xs" variant="default" onClick={onSilence}>
          {t("silence.open")}
        </Button>
      )}
    </Group>
  );
}
