/** Adds up what the explorer shows; amounts are of the billing currency. */

import { BUCKETS, SERIES } from "../../lib/colors";
import type { BucketRow, CostRow } from "./api";
import type { Aggregate } from "./question";

export interface Totals {
  cost: number;
  gpuHours: number;
  unpricedHours: number;
  /** What a GPU-hour cost on average; null where none was held. */
  perHour: number | null;
  /** The measured parts of the cost, and what was not measured. */
  used: number;
  idle: number;
  unattributed: number;
}

/** The whole of some rows. */
export function totalsOf(rows: readonly CostRow[]): Totals {
  const cost = sum(rows, (row) => row.cost);
  const gpuHours = sum(rows, (row) => row.gpuHours);
  const unpricedHours = sum(rows, (row) => row.unpricedGpuHours);
  const priced = gpuHours - unpricedHours;
  return {
    cost,
    gpuHours,
    unpricedHours,
    perHour: priced > 0 ? cost / priced : null,
    used: sum(rows, (row) => row.usedCost),
    idle: sum(rows, (row) => row.idleCost),
    unattributed: sum(rows, (row) => row.unattributedCost),
  };
}

export interface DaySeries {
  label: string;
  color: string;
  values: number[];
}

export interface DayBars {
  days: string[];
  series: DaySeries[];
}

const OTHERS = 7;

/** Bars by day: the largest groups each, what is left as one; `none` names what has no name. */
export function barsOf(
  rows: readonly CostRow[],
  aggregate: Aggregate,
  names: { none: string; others: string; all: string },
): DayBars {
  const days = [...new Set(rows.map((row) => row.day ?? ""))].sort();
  const place = new Map(days.map((day, index) => [day, index]));
  const groups = new Map<string, number[]>();
  for (const row of rows) {
    const label = labelOf(row, aggregate, names);
    const values = groups.get(label) ?? days.map(() => 0);
    groups.set(label, values);
    const at = place.get(row.day ?? "") ?? 0;
    values[at] = (values[at] ?? 0) + row.cost;
  }
  const ordered = [...groups].sort((one, other) => whole(other[1]) - whole(one[1]));
  const shown = ordered.length <= OTHERS + 1 ? ordered : ordered.slice(0, OTHERS);
  const rest = ordered.slice(shown.length);
  if (rest.length > 0) {
    shown.push([names.others, days.map((_, at) => sum(rest, ([, values]) => values[at] ?? 0))]);
  }
  const series = shown.map(([label, values], index) => ({
    label,
    values,
    color: SERIES[index % SERIES.length] ?? SERIES[0],
  }));
  return { days, series };
}

function labelOf(row: CostRow, aggregate: Aggregate, names: { none: string; all: string }): string {
  if (aggregate === "day" || aggregate === "month" || aggregate === "allocation") return names.all;
  return row[aggregate] ?? names.none;
}

export const BUCKET_NAMES = ["used", "idle", "unattributed", "free", "unavailable"] as const;
export type BucketName = (typeof BUCKET_NAMES)[number];

export interface Split {
  name: BucketName;
  color: string;
  cost: number;
  gpuHours: number;
}

/** Where the time of all days went, and what it is worth. */
export function splitOf(rows: readonly BucketRow[]): Split[] {
  return BUCKET_NAMES.map((name) => ({
    name,
    color: BUCKETS[name],
    cost: sum(rows, (row) => row[name].cost),
    gpuHours: sum(rows, (row) => row[name].gpuHours),
  }));
}

/** The three parts of what was charged for some rows. */
export function heldSplitOf(rows: readonly CostRow[]): Split[] {
  return (["used", "idle", "unattributed"] as const).map((name) => ({
    name,
    color: BUCKETS[name],
    cost: sum(rows, (row) => row[`${name}Cost`]),
    gpuHours: sum(rows, (row) => row[`${name}GpuHours`]),
  }));
}

/** The same by day, as bars. */
export function splitBars(
  rows: readonly BucketRow[],
  name: (bucket: BucketName) => string,
): DayBars {
  const ordered = [...rows].sort((one, other) => (one.day ?? "").localeCompare(other.day ?? ""));
  return {
    days: ordered.map((row) => row.day ?? ""),
    series: BUCKET_NAMES.map((bucket) => ({
      label: name(bucket),
      color: BUCKETS[bucket],
      values: ordered.map((row) => row[bucket].cost),
    })),
  };
}

function whole(values: number[]): number {
  return sum(values, (value) => value);
}

function sum<Row>(rows: readonly Row[], read: (row: Row) => number): number {
  return rows.reduce((total, row) => total + read(row), 0);
}
