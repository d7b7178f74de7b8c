/** What the explorer asks: window, aggregate and filters, as they stand in the address. */

import { apiHref } from "../../lib/root";
import type { Search } from "../../lib/urlState";

export const AGGREGATES = [
  "team",
  "user",
  "namespace",
  "model",
  "workloadType",
  "cluster",
  "node",
  "allocation",
  "day",
  "month",
] as const;
export const FILTERS = [
  "team",
  "user",
  "namespace",
  "model",
  "workloadType",
  "cluster",
  "node",
  "allocation",
] as const;
export const WINDOWS = [
  "today",
  "yesterday",
  "week",
  "lastweek",
  "month",
  "lastmonth",
  "7d",
  "14d",
  "30d",
  "60d",
  "90d",
] as const;

export type Aggregate = (typeof AGGREGATES)[number];
export type Filter = (typeof FILTERS)[number];
export type Filters = Partial<Record<Filter, string>>;

/** OpenCost's word for what belongs to nobody. */
export const NOBODY = "__unallocated__";

export interface CostQuestion {
  window: string;
  aggregate: Aggregate;
  filters: Filters;
}

/** Read the question from the address. */
export function questionOf(search: Search): CostQuestion {
  const filters: Filters = {};
  for (const name of FILTERS) {
    const value = search[name];
    if (value) filters[name] = value;
  }
  return {
    window: search.window || "7d",
    aggregate: AGGREGATES.find((one) => one === search.aggregate) ?? "team",
    filters,
  };
}

/** Filters as the API takes them: the empty text is what belongs to nobody. */
export function filtersOnWire(filters: Filters): Filters {
  const told = Object.entries(filters).map(([name, value]) => [
    name,
    value === NOBODY ? "" : value,
  ]);
  return Object.fromEntries(told) as Filters;
}

const BELOW: Record<Aggregate, Aggregate | null> = {
  cluster: "team",
  team: "namespace",
  namespace: "user",
  user: "allocation",
  model: "node",
  node: "allocation",
  workloadType: "team",
  allocation: null,
  day: null,
  month: null,
};

/** What a row leads to: the same window, limited to it, split by the next dimension below. */
export function drilled(question: CostQuestion, value: string | null): Search | null {
  let next = BELOW[question.aggregate];
  while (next && next in question.filters) next = BELOW[next];
  const isFilter = (FILTERS as readonly string[]).includes(question.aggregate);
  if (!isFilter || next === null) return null;
  return { [question.aggregate]: value ?? NOBODY, aggregate: next };
}

/** The address of the same rows as CSV; split by the question's aggregate unless told. */
export function csvOf(question: CostQuestion, path: string, group?: string): string {
  const href = apiHref(path, {
    format: "csv",
    group: group ?? question.aggregate,
    window: question.window,
  });
  const wired = Object.entries(filtersOnWire(question.filters));
  return wired.reduce((to, [name, value]) => `${to}&${name}=${encodeURIComponent(value)}`, href);
}

/** A window of whole days of a time zone, both included, as a pair of moments. */
export function windowOfDays(first: string, last: string, zone: string): string | null {
  if (!first || !last || last < first) return null;
  const after = new Date(`${last}T00:00:00Z`);
  after.setUTCDate(after.getUTCDate() + 1);
  return `${midnight(first, zone)},${midnight(after.toISOString().slice(0, 10), zone)}`;
}

/** Midnight of a day in a zone, in UTC. */
function midnight(day: string, zone: string): string {
  const guess = Date.parse(`${day}T00:00:00Z`);
  const once = guess - offsetMs(guess, zone);
  return new Date(guess - offsetMs(once, zone)).toISOString().replace(".000Z", "Z");
}

function offsetMs(moment: number, zone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(moment);
  const told = Object.fromEntries(parts.map((one) => [one.type, Number(one.value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = told;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(moment / 1000) * 1000;
}
