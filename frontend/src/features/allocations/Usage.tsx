import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Chart } from "../../ui/Chart";
import { Async, Empty } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { type AllocationDetail, usageQuery } from "./api";
import { type MetricRow, measured } from "./usage";

const RANGE: [number, number] = [0, 100];

/** Utilisation of what it holds, over its life. */
export function Usage({ one }: { one: AllocationDetail }) {
  const { t } = useTranslation("allocations");
  const options = useMemo(() => usageQuery(one), [one]);
  const rows = useQuery(options);
  const nothing = <Empty title={t("usage.empty")} hint={t("usage.emptyHint")} icon="quality" />;
  if (!options.enabled) return nothing;
  return (
    <Async query={rows} rows={5} isEmpty={(list) => list.rows.length === 0} empty={nothing}>
      {(list) => <Lines rows={list.rows} />}
    </Async>
  );
}

function Lines({ rows }: { rows: MetricRow[] }) {
  const { t } = useTranslation("allocations");
  const format = useFormat();
  const { times, series } = useMemo(() => measured(rows), [rows]);
  const written = useMemo(() => (value: number | null) => format.pct(value), [format]);
  return (
    <Chart label={t("usage.title")} times={times} series={series} range={RANGE} format={written} />
  );
}
