import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { BUCKETS } from "../../lib/colors";
import { Chart } from "../../ui/Chart";
import { Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import type { Screen } from "./api";

const NAMES = ["used", "idle", "unattributed", "free", "unavailable"] as const;

/** How many GPUs did what, on the average of each day; the five add up to all there were. */
export function DaysPanel({ days }: { days: Screen["days"] }) {
  const { t } = useTranslation("overview");
  const format = useFormat();
  const times = useMemo(() => days.map((day) => Date.parse(`${day.day}T00:00:00Z`) / 1000), [days]);
  const series = useMemo(
    () =>
      NAMES.map((name) => ({
        label: t(`buckets.${name}`),
        color: BUCKETS[name],
        values: days.map((day) => (day.hours > 0 ? day[name] / day.hours : null)),
      })),
    [days, t],
  );
  return (
    <Panel
      title={t("buckets.title")}
      note={t("buckets.note")}
      side={
        <Anchor component={Link} to={"/cost" as never} size="sm">
          {t("buckets.all")}
        </Anchor>
      }
    >
      <Chart
        label={t("buckets.title")}
        times={times}
        series={series}
        kind="stacked"
        days
        height={240}
        format={(value) => (value === null ? "–" : format.number(value, 1))}
      />
    </Panel>
  );
}
