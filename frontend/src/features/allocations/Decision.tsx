import { Group, Stack, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Meter } from "../../ui/Bars";
import { useFormat } from "../../ui/useFormat";
import { type Lack, readDecision } from "./decision";

interface DecisionProps {
  facts: Record<string, unknown> | null | undefined;
}

/** Why this place; or what every GPU lacked. */
export function Decision({ facts }: DecisionProps) {
  const { t } = useTranslation("allocations");
  const format = useFormat();
  const reading = readDecision(facts);
  return (
    <Stack gap="sm">
      {reading.node && (
        <Text size="sm">
          {t("decision.chosen", { node: reading.node })}
          {reading.candidates &&
            ` ${t("decision.among", {
              devices: format.number(reading.candidates.devices),
              nodes: format.number(reading.candidates.nodes),
            })}`}
        </Text>
      )}
      {reading.slices.map((slice) => (
        <Text size="sm" key={`${slice.profile}-${slice.start}`}>
          {t("decision.slice", { profile: slice.profile, start: slice.start })}{" "}
          {t(`decision.source.${slice.source}`, { defaultValue: slice.source })}
        </Text>
      ))}
      {reading.parts.length > 0 && (
        <div>
          <Text size="xs" c="dimmed">
            {t("decision.score", { score: format.number(reading.score, 3) })}
          </Text>
          <Group gap="md">
            {reading.parts.map(([name, value]) => (
              <Text size="xs" key={name} span>
                {t(`decision.part.${name}`, { defaultValue: name })}{" "}
                <b>{format.number(value, 3)}</b>
              </Text>
            ))}
          </Group>
        </div>
      )}
      {reading.lacks.length > 0 && <Lacks lacks={reading.lacks} />}
      <Hints reading={reading} />
    </Stack>
  );
}

function Lacks({ lacks }: { lacks: Lack[] }) {
  const { t } = useTranslation("allocations");
  const format = useFormat();
  const total = lacks.reduce((sum, one) => sum + (one.devices ?? 0), 0);
  return (
    <div>
      <Text size="sm" fw={600} mb={4}>
        {t("decision.lacks")}
      </Text>
      {lacks.map((one) => (
        <Meter
          key={one.reason}
          label={
            <>
              {t(`app:lack.${one.reason}`, { defaultValue: one.reason })}
              {one.largest !== null &&
                ` (${t("decision.most", { value: format.number(one.largest) })})`}
            </>
          }
          ratio={total > 0 ? (one.devices ?? 0) / total : null}
          shown={t("decision.gpus", { shown: format.number(one.devices), count: one.devices ?? 0 })}
        />
      ))}
    </div>
  );
}

function Hints({ reading }: { reading: ReturnType<typeof readDecision> }) {
  const { t } = useTranslation("allocations");
  const format = useFormat();
  if (reading.lacks.length === 0) return null;
  return (
    <Text size="xs" c="dimmed">
      {reading.largestFreeGpus !== null &&
        t("decision.freeGpus", { gpus: format.number(reading.largestFreeGpus) })}{" "}
      {reading.largestFreeMilli !== null &&
        reading.largestFreeMilli < 1000 &&
        t("decision.freeMilli", { milli: format.number(reading.largestFreeMilli) })}{" "}
      {reading.keptNodes.length > 0 && t("decision.kept", { nodes: reading.keptNodes.join(", ") })}
    </Text>
  );
}
