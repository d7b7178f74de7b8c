import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";
import type { TimeChartProps } from "./TimeChart";

const TimeChart = lazy(() => import("./TimeChart"));

/** A chart over time; the code that draws comes when the first one is shown. */
export function Chart(props: TimeChartProps) {
  return (
    <Suspense fallback={<Skeleton height={props.height ?? 220} />}>
      <TimeChart {...props} />
    </Suspense>
  );
}
