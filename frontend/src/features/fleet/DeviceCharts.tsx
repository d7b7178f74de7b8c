import { SegmentedControl, SimpleGrid, Text } from "@mantine/core";
import { type UseQueryResult, useQueries } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useUrlState } from "../../lib/urlState";
import { Chart } from "../../ui/Chart";
import { Async, Empty, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { type Metric, type MetricRows, metricQuery, type Span } from "./api";
import { gridOf } from "./series";

const SPANS: Record<string, Span> = {
  "1h": { hours: 1, step: 60 },
  "24h": { hours: 24, step: 600 },
  "7d": { hours: 168, step: 3600 },
};
const SHOWN = [
  ["utilizationPct", "%"],
  ["memoryUsedMib", "MiB"],
  ["temperatureCelsius", "°C"],
  ["powerW", "W"],
  ["smClockMhz", "MHz"],
  ["dramActiveRatio", ""],
] as const satisfies readonly (readonly [Metric, string])[];

/** What was measured of one GPU; a gap is a gap. */
export function DeviceCharts({ deviceId }: { deviceId: string }) {
  const { t } = useTranslation("fleet");
  const [name, setName] = useUrlState("span", "24h");
  const span = SPANS[name] ?? { hours: 24, step: 600 };
  const found = useQueries({
    queries: SHOWN.map(([metric]) => metricQuery(deviceId, metric, span)),
  });
  const isBlank = found.every((one) => one.data?.rows.length === 0);
  return (
    <Panel
      title={t("charts.title")}
      note={t("charts.note")}
      side={
        <SegmentedControl
          size="xs"
          aria-label={t("charts.window")}
          value={name}
          onChange={setName}
          data={[
            { value: "1h", label: t("charts.hour") },
            { value: "24h", label: t("charts.day") },
            { value: "7d", label: t("charts.week") },
          ]}
        />
      }
    >
      {isBlank ? (
        <Empty title={t("charts.nothing")} hint={t("charts.nothingHint")} icon="quality" />
      ) : (
        <SimpleGrid cols={{ base: 1, sm: 2, xl: 3 }} spacing="lg">
          {SHOWN.map(([metric, unit], index) => {
            const query = found[index];
            return query && <MetricChart key={metric} {...{ deviceId, metric, unit, query }} />;
          })}
        </SimpleGrid>
      )}
    </Panel>
  );
}

interface MetricChartProps {
  deviceId: string;
  metric: (typeof SHOWN)[number][0];
  unit: string;
  query: UseQueryResult<MetricRows>;
}

function MetricChart({ deviceId, metric, unit, query }: MetricChartProps) {
  const { t } = useTranslation("fleet");
  const format = useFormat();
  const label = t(`metric.${metric}`);
  return (
    <div>
      <Text size="sm" fw={600}>
        {label} {unit && `(${unit})`}
      </Text>
      <Async
        query={query}
        rows={4}
        isEmpty={(one) => one.rows.length === 0}
        empty={
          <Text size="sm" c="dimmed" py="lg">
            {t("charts.nothing")}
          </Text>
        }
      >
        {(one) => {
          const { times, values } = gridOf(one);
          return (
            <Chart
              label={`${deviceId} ${label}`}
              times={times}
              series={[{ label, values }]}
              height={150}
              format={(value) => format.number(value, metric === "dramActiveRatio" ? 2 : 0)}
              range={metric === "utilizationPct" ? [0, 100] : undefined}
            />
          );
        }}
      </Async>
    </div>
  );
}
