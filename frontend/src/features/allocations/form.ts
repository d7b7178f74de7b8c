/** The request form: what stands in its fields (and in the address), and what is sent. */

import type { Search } from "../../lib/urlState";
import type { AllocationCreate } from "./api";

export const KINDS = ["whole", "mig", "share"] as const;
export const WORKLOADS = ["Training", "Inference", "Development"] as const;

export type Kind = (typeof KINDS)[number];
type Workload = AllocationCreate["workloadType"];

export interface Form {
  namespace: string;
  podName: string;
  teamId: string;
  userId: string;
  workload: Workload;
  kind: Kind;
  memoryGb: number;
  count: number;
  milli: number;
  models: string[];
  labels: string;
  cpuCores: number;
  hostMemoryGib: number;
  hours: number;
  costLimit: number;
  priority: number;
  wait: boolean;
}

export type Field = keyof Form;

/** Read the form from the address; what is not there is as it usually is. */
export function formOf(search: Search, mine: { team: string | null; user: string | null }): Form {
  return {
    namespace: search.namespace ?? "",
    podName: search.pod ?? "",
    teamId: search.team ?? mine.team ?? "",
    userId: search.user ?? mine.user ?? "",
    workload: oneOf(search.work, WORKLOADS) ?? "Training",
    kind: oneOf(search.kind, KINDS) ?? "whole",
    memoryGb: numberOf(search.memory, 40),
    count: numberOf(search.count, 1),
    milli: numberOf(search.milli, 500),
    models: search.models ? search.models.split(",") : [],
    labels: search.labels ?? "",
    cpuCores: numberOf(search.cpu, 0),
    hostMemoryGib: numberOf(search.ram, 0),
    hours: numberOf(search.hours, 0),
    costLimit: numberOf(search.limit, 0),
    priority: numberOf(search.priority, 0),
    wait: search.wait === "1",
  };
}

const NAMES: Record<Field, string> = {
  namespace: "namespace",
  podName: "pod",
  teamId: "team",
  userId: "user",
  workload: "work",
  kind: "kind",
  memoryGb: "memory",
  count: "count",
  milli: "milli",
  models: "models",
  labels: "labels",
  cpuCores: "cpu",
  hostMemoryGib: "ram",
  hours: "hours",
  costLimit: "limit",
  priority: "priority",
  wait: "wait",
};

/** What a changed field is in the address. */
export function inAddress<F extends Field>(field: F, value: Form[F]): Search {
  const text = Array.isArray(value) ? value.join(",") : value === true ? "1" : String(value);
  return { [NAMES[field]]: value === false ? "" : text };
}

/** What is sent; null while a field that is needed is empty or wrong. */
export function bodyOf(form: Form): AllocationCreate | null {
  if (!form.namespace || !form.podName || form.memoryGb < 1) return null;
  const labels = labelsOf(form.labels);
  if (labels === null) return null;
  return {
    namespace: form.namespace,
    podName: form.podName,
    workloadType: form.workload,
    requiredMemoryGb: form.memoryGb,
    useMig: form.kind === "mig",
    count: form.kind === "share" ? 1 : Math.max(1, form.count),
    gpuMilli: form.kind === "share" ? form.milli : null,
    cpuMilli: Math.round(form.cpuCores * 1000),
    memoryMib: Math.round(form.hostMemoryGib * 1024),
    teamId: form.teamId || null,
    userId: form.userId || null,
    modelPreference: [],
    modelIds: form.models,
    nodeSelector: labels,
    priority: form.priority,
    maxDurationHours: form.hours > 0 ? form.hours : null,
    costLimit: form.costLimit > 0 ? form.costLimit : null,
    dryRun: false,
    wait: form.wait,
  };
}

/** Read labels as people write them: `zone=a, pool=train`; null where that is not what they are. */
export function labelsOf(text: string): Record<string, string> | null {
  const found: Record<string, string> = {};
  for (const part of text
    .split(/[,\n]/)
    .map((one) => one.trim())
    .filter(Boolean)) {
    const at = part.indexOf("=");
    if (at < 1) return null;
    found[part.slice(0, at).trim()] = part.slice(at + 1).trim();
  }
  return found;
}

function oneOf<T extends string>(text: string | undefined, known: readonly T[]): T | undefined {
  return known.find((one) => one === text);
}

function numberOf(text: string | undefined, usual: number): number {
  const value = text === undefined || text === "" ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : usual;
}
