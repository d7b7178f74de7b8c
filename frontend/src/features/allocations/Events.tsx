import { Text, Timeline } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Async, Empty } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { eventsQuery } from "./api";
import { EventWords } from "./words";

/** What happened to it, the newest first. */
export function Events({ allocationId }: { allocationId: string }) {
  const { t } = useTranslation("allocations");
  const format = useFormat();
  const events = useQuery(eventsQuery(allocationId));
  return (
    <Async
      query={events}
      rows={3}
      isEmpty={(list) => list.rows.length === 0}
      empty={<Empty title={t("events.empty")} />}
    >
      {(list) => (
        <Timeline bulletSize={14} lineWidth={2} active={list.rows.length}>
          {list.rows.map((event) => (
            <Timeline.Item
              key={event.id}
              title={t(`events.type.${event.type}`, { defaultValue: event.type })}
            >
              <Text size="xs" c="dimmed">
                {format.time(event.createdAt)}
              </Text>
              <Text size="sm" component="div">
                <EventWords type={event.type} details={event.details} />
              </Text>
            </Timeline.Item>
          ))}
        </Timeline>
      )}
    </Async>
  );
}
