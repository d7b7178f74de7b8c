import { Group, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Icon, type IconName } from "../../ui/Icon";
import { useFormat } from "../../ui/useFormat";
import type { Screen } from "./api";

const SIGNS: Record<string, IconName> = { fresh: "check", stale: "warning", none: "off" };

/** How fresh each source of these figures is. */
export function SourcesLine({ sources }: { sources: Screen["sources"] }) {
  const { t } = useTranslation("overview");
  const format = useFormat();
  return (
    <Group gap="lg" component="section" aria-label={t("sources.title")}>
      <Text size="xs" fw={600} c="dimmed">
        {t("sources.title")}
      </Text>
      {sources.map((one) => (
        <Text key={one.name} size="xs" component="span" className="source" data-state={one.state}>
          <Icon name={SIGNS[one.state] ?? "help"} size={13} /> {t(`sources.name.${one.name}`)}:{" "}
          {t(`sources.state.${one.state}`)}
          {one.at && ` · ${format.since(one.at)}`}
          {one.of !== null && ` · ${format.number(one.known)}/${format.number(one.of)} GPU`}
        </Text>
      ))}
    </Group>
  );
}
