/** The form of a plan: what stands in its fields (and in the address), and what is sent. */

import type { Search } from "../../lib/urlState";
import type { PlanAsk } from "./api";

export const WORKLOADS = ["Training", "Inference", "Development"] as const;

export interface Form {
  /** How many more of each profile; empty: what waiting requests ask for. */
  demand: Record<string, number>;
  /** Plan also for the use of so many days before; 0: not. */
  historyDays: number;
  work: string[];
  namespaces: string[];
  teams: string[];
  allocations: string[];
  keepNodes: string[];
  keepDevices: string[];
  /** As people write them: `tier=gold, zone=a`. */
  keepLabels: string;
  /** What moves may cost at most; null: anything. */
  costLimit: number | null;
  perPriority: number;
  moveSeconds: number;
  restarts: boolean;
  seconds: number;
  /** What a move of a team's slices costs, times 1; as written: `ml=2`. */
  weights: Weight[];
  windows: NodeWindow[];
}

export interface Weight {
  team: string;
  weight: number;
}

/** When a node may be touched; moments in the person's own time, as their browser writes them. */
export interface NodeWindow {
  node: string;
  from: string;
  to: string;
}

export type Field = keyof Form;

const NAMES: Record<Field, string> = {
  demand: "demand",
  historyDays: "history",
  work: "work",
  namespaces: "namespaces",
  teams: "teams",
  allocations: "allocations",
  keepNodes: "keepNodes",
  keepDevices: "keepGpus",
  keepLabels: "keepLabels",
  costLimit: "limit",
  perPriority: "perPriority",
  moveSeconds: "moveSeconds",
  restarts: "restarts",
  seconds: "seconds",
  weights: "weights",
  windows: "windows",
};

const USUAL = { historyDays: 0, perPriority: 0, moveSeconds: 120, seconds: 5 };

/** Read the form from the address; what is not there is as it usually is. */
export function formOf(search: Search): Form {
  const list = (field: Field) => search[NAMES[field]]?.split(",").filter(Boolean) ?? [];
  const limit = search[NAMES.costLimit];
  return {
    demand: demandOf(search[NAMES.demand] ?? ""),
    historyDays: numberOf(search[NAMES.historyDays], USUAL.historyDays),
    work: list("work").filter((one) => WORKLOADS.some((known) => known === one)),
    namespaces: list("namespaces"),
    teams: list("teams"),
    allocations: list("allocations"),
    keepNodes: list("keepNodes"),
    keepDevices: list("keepDevices"),
    keepLabels: search[NAMES.keepLabels] ?? "",
    costLimit: limit ? numberOf(limit, 0) : null,
    perPriority: numberOf(search[NAMES.perPriority], USUAL.perPriority),
    moveSeconds: numberOf(search[NAMES.moveSeconds], USUAL.moveSeconds),
    restarts: search[NAMES.restarts] !== "0",
    seconds: Math.min(30, Math.max(1, numberOf(search[NAMES.seconds], USUAL.seconds))),
    weights: rowsOf(search[NAMES.weights]).map(([team, weight]) => ({
      team,
      weight: numberOf(weight, 1),
    })),
    windows: rowsOf(search[NAMES.windows]).map(([node, from = "", to = ""]) => ({
      node,
      from,
      to,
    })),
  };
}

/** Whether an address asks for a plan already. */
export function isAsked(search: Search): boolean {
  return Object.values(NAMES).some((name) => Boolean(search[name]));
}

/** What a changed field is in the address; undefined where it is as usual. */
export function inAddress<F extends Field>(
  field: F,
  value: Form[F],
): Record<string, string | undefined> {
  return { [NAMES[field]]: textOf(field, value) };
}

function textOf(field: Field, value: Form[Field]): string | undefined {
  if (value === null || value === USUAL[field as keyof typeof USUAL]) return undefined;
  if (typeof value === "boolean") return value ? undefined : "0";
  if (Array.isArray(value)) return value.map(rowText).join(",") || undefined;
  if (typeof value === "object") {
    const told = Object.entries(value).filter(([, count]) => count > 0);
    return told.map(([name, count]) => `${name}:${count}`).join(",") || undefined;
  }
  return String(value) || undefined;
}

function rowText(row: string | Weight | NodeWindow): string {
  return typeof row === "string" ? row : Object.values(row).join("@");
}

function rowsOf(text = ""): [string, ...string[]][] {
  return text.split(",").flatMap((part) => {
    const [name = "", ...rest] = part.split("@");
    return part ? [[name, ...rest] as [string, ...string[]]] : [];
  });
}

export type Fault = "team" | "twice" | "node" | "moments" | "order";

/** What is wrong with a team's weight, among all of them; null: nothing. */
export function weightFault(one: Weight, all: readonly Weight[]): Fault | null {
  if (one.team.trim() === "") return "team";
  return all.filter((other) => other.team === one.team).length > 1 ? "twice" : null;
}

/** What is wrong with a window; null: nothing. */
export function windowFault({ node, from, to }: NodeWindow): Fault | null {
  if (node.trim() === "") return "node";
  const [start, end] = [Date.parse(from), Date.parse(to)];
  if (Number.isNaN(start) || Number.isNaN(end)) return "moments";
  return end > start ? null : "order";
}

/** Whether a form can be sent as it is. */
export function isSound({ weights, windows }: Form): boolean {
  return (
    weights.every((one) => weightFault(one, weights) === null) &&
    windows.every((one) => windowFault(one) === null)
  );
}

function demandOf(text: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const part of text.split(",")) {
    const [name, count] = part.split(":");
    if (name && Number(count) > 0) found[name] = Math.floor(Number(count));
  }
  return found;
}

/** What is sent. */
export function bodyOf(form: Form): PlanAsk {
  const isTold = Object.keys(form.demand).length > 0;
  return {
    demand: isTold ? form.demand : null,
    historyDays: !isTold && form.historyDays > 0 ? form.historyDays : null,
    movableAllocations: form.allocations,
    movableNamespaces: form.namespaces,
    movableTeams: form.teams,
    movableWorkloadTypes: form.work,
    teamWeights: Object.fromEntries(form.weights.map((one) => [one.team, one.weight])),
    costPerPriority: form.perPriority,
    moveSeconds: form.moveSeconds,
    costLimit: form.costLimit,
    keepDevices: form.keepDevices,
    keepNodes: form.keepNodes,
    keepLabels: labelsOf(form.keepLabels),
    windows: form.windows
      .filter((one) => windowFault(one) === null)
      .map(({ node, from, to }) => ({
        nodeName: node,
        startsAt: new Date(from).toISOString(),
        endsAt: new Date(to).toISOString(),
      })),
    allowRestarts: form.restarts,
    timeLimitSeconds: form.seconds,
    withCurve: true,
  };
}

/** Read labels as people write them; what is none is left out. */
export function labelsOf(text: string): Record<string, string> {
  const parts = text.split(/[,\n]/).map((one) => one.trim());
  return Object.fromEntries(
    parts.flatMap((one) => {
      const at = one.indexOf("=");
      return at > 0 ? [[one.slice(0, at).trim(), one.slice(at + 1).trim()]] : [];
    }),
  );
}

function numberOf(text: string | undefined, usual: number): number {
  const value = text ? Number(text) : Number.NaN;
  return Number.isFinite(value) && value >= 0 ? value : usual;
}
