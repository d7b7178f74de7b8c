import { Group, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { WaitingWords } from "../../ui/WaitingWords";
import type { Allocation } from "./api";
import { sizeOf } from "./columns";

/** Who waits, in the order of the queue, and what each waits for. */
export function Waiting({ rows, total }: { rows: Allocation[]; total: number }) {
  const { t } = useTranslation("allocations");
  const format = useFormat();
  return (
    <Panel
      title={t("waiting.title", { shown: format.number(total) })}
      note={t("waiting.note")}
      side={
        total > 5 && (
          <Link to={"/allocations?phase=Pending" as never} className="quiet">
            {t("waiting.all")}
          </Link>
        )
      }
    >
      <Stack gap="xs">
        {rows.slice(0, 5).map((row) => (
          <div key={row.allocationId}>
            <Group gap="xs" justify="space-between">
              <Text size="sm" component="div">
                <Link to={`/allocations/${row.allocationId}` as never}>{row.podName}</Link> ·{" "}
                {row.teamId ?? row.namespace} · {sizeOf(row, t)}
              </Text>
              <Text size="xs" c="dimmed" title={format.time(row.requestedAt)}>
                {format.since(row.requestedAt)} · {t("waiting.priority", { value: row.priority })}
              </Text>
            </Group>
            {row.message && (
              <Text size="xs" c="dimmed" component="div">
                <WaitingWords decision={row.decision} own={row.message} />
              </Text>
            )}
          </div>
        ))}
      </Stack>
    </Panel>
  );
}
