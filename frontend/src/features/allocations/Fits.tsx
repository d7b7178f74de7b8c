import { Badge, Group, Stack, Text } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Icon } from "../../ui/Icon";
import { Empty, Failed, Loading, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { WaitingWords } from "../../ui/WaitingWords";
import type { Preview } from "./api";
import { Decision } from "./Decision";

interface FitsProps {
  query: UseQueryResult<Preview>;
  /** Whether enough is filled in to ask. */
  isAsked: boolean;
  /** How long it would run; 0: as long as it likes. */
  hours: number;
}

/** Would it fit now, where, and at what price: asked again whenever the form changes. */
export function Fits({ query, isAsked, hours }: FitsProps) {
  const { t } = useTranslation("allocations");
  return (
    <Panel title={t("fits.title")} note={t("fits.note")}>
      <div aria-live="polite" aria-busy={query.isFetching}>
        {!isAsked ? (
          <Empty title={t("fits.empty")} hint={t("fits.emptyHint")} icon="search" />
        ) : query.isError ? (
          <Failed error={query.error} />
        ) : query.data ? (
          <Answer answer={query.data} hours={hours} />
        ) : (
          <Loading rows={4} />
        )}
      </div>
    </Panel>
  );
}

function Answer({ answer, hours }: { answer: Preview; hours: number }) {
  const { t } = useTranslation("allocations");
  const format = useFormat();
  const rate = answer.costPerHour;
  return (
    <Stack gap="sm">
      <Group gap="sm">
        <Badge
          size="lg"
          tt="none"
          variant="light"
          className="state-badge"
          color={answer.fits ? "teal" : "orange"}
          leftSection={<Icon name={answer.fits ? "check" : "warning"} size={16} />}
        >
          {answer.fits ? t("fits.yes") : t("fits.no")}
        </Badge>
        {answer.nodeName && <Text fw={600}>{answer.nodeName}</Text>}
      </Group>
      {answer.fits && (
        <div>
          <Text component="span" className="figure">
            {rate === null ? t("fits.unpriced") : format.money(rate)}
          </Text>
          {rate !== null && (
            <Text span c="dimmed">
              {" "}
              {t("fits.perHour")} ·{" "}
              {hours > 0
                ? t("fits.forHours", { cost: format.money(rate * hours), hours })
                : t("fits.perDay", { cost: format.money(rate * 24) })}
            </Text>
          )}
        </div>
      )}
      {answer.resources.length > 0 && (
        <Text size="sm" ff="monospace" style={{ whiteSpace: "pre-line" }}>
          {answer.resources.join("\n")}
        </Text>
      )}
      {!answer.fits && (
        <Text size="sm" component="div">
          <WaitingWords decision={answer.decision} own={answer.detail} />
        </Text>
      )}
      <Decision facts={answer.decision} />
    </Stack>
  );
}
