import { Anchor, Group, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { Empty, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { WaitingWords } from "../../ui/WaitingWords";
import type { Screen } from "./api";

/** Who waits, since when and why; and how long people have waited lately. */
export function WaitingPanel({ waiting }: { waiting: Screen["waiting"] }) {
  const { t } = useTranslation("overview");
  const format = useFormat();
  return (
    <Panel
      title={t("waiting.title")}
      side={
        <Anchor component={Link} to={"/allocations?f.phase=Pending" as never} size="sm">
          {t("waiting.count", { count: waiting.count, shown: format.number(waiting.count) })}
        </Anchor>
      }
      note={t("waiting.note", { count: waiting.placed, shown: format.number(waiting.placed) })}
    >
      <Group gap="xl" mb="sm">
        <Wait label={t("waiting.half")} seconds={waiting.p50Seconds} />
        <Wait label={t("waiting.most")} seconds={waiting.p95Seconds} />
      </Group>
      {waiting.longest.length === 0 ? (
        <Empty title={t("waiting.none")} icon="check" />
      ) : (
        <ul className="plain">
          {waiting.longest.map((one) => (
            <li key={one.allocationId}>
              <Link to={`/allocations/${encodeURIComponent(one.allocationId)}` as never}>
                {one.namespace}/{one.podName}
              </Link>
              <b>{format.since(one.requestedAt)}</b>
              <small>
                {one.teamId && `${one.teamId} · `}
                <WaitingWords decision={one.decision} own={one.message} />
              </small>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Wait({ label, seconds }: { label: string; seconds: number | null }) {
  const format = useFormat();
  return (
    <div>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text fw={700} size="lg">
        {format.duration(seconds)}
      </Text>
    </div>
  );
}
