/** Reads the facts of a decision: why a place was taken, or what each GPU lacked. */

export interface Lack {
  reason: string;
  devices: number | null;
  nodes: number | null;
  wanted: number | null;
  largest: number | null;
}

export interface Reading {
  policy: string | null;
  node: string | null;
  score: number | null;
  /** What the score is made of. */
  parts: [string, number][];
  candidates: { devices: number; nodes: number } | null;
  /** What GPUs lacked, the most first. */
  lacks: Lack[];
  largestFreeMilli: number | null;
  largestFreeGpus: number | null;
  largestMemoryGb: number | null;
  slices: { profile: string; start: number; source: string; candidates: number }[];
  keptNodes: string[];
}

type Facts = Record<string, unknown>;

/** Take apart what the server told; what it did not tell is null or empty. */
export function readDecision(told: Facts | null | undefined): Reading {
  const facts = told ?? {};
  return {
    policy: text(facts.policy),
    node: text(facts.node),
    score: number(facts.score),
    parts: Object.entries(record(facts.parts)).filter(isFigure),
    candidates: candidatesOf(facts.candidates),
    lacks: lacksOf(facts.refusals).sort((one, other) => (other.devices ?? 0) - (one.devices ?? 0)),
    largestFreeMilli: number(facts.largestFreeMilli),
    largestFreeGpus: number(facts.largestFreeGpus),
    largestMemoryGb: number(facts.largestMemoryGb),
    slices: list(facts.slices).map((one) => ({
      profile: text(one.profile) ?? "",
      start: number(one.start) ?? 0,
      source: text(one.source) ?? "",
      candidates: number(one.candidates) ?? 0,
    })),
    keptNodes: Array.isArray(facts.keptNodes) ? facts.keptNodes.map(String) : [],
  };
}

function lacksOf(told: unknown): Lack[] {
  return list(told).map((one) => ({
    reason: text(one.reason) ?? "",
    devices: number(one.devices),
    nodes: number(one.nodes),
    wanted: number(one.wanted),
    largest: number(one.largest),
  }));
}

function candidatesOf(told: unknown): Reading["candidates"] {
  const { devices, nodes } = record(told);
  const [some, places] = [number(devices), number(nodes)];
  return some === null || places === null ? null : { devices: some, nodes: places };
}

function list(told: unknown): Facts[] {
  return Array.isArray(told) ? told.filter(isRecord) : [];
}

function record(told: unknown): Facts {
  return isRecord(told) ? told : {};
}

function isRecord(told: unknown): told is Facts {
  return typeof told === "object" && told !== null && !Array.isArray(told);
}

function isFigure(pair: [string, unknown]): pair is [string, number] {
  return typeof pair[1] === "number";
}

function number(told: unknown): number | null {
  return typeof told === "number" ? told : null;
}

function text(told: unknown): string | null {
  return typeof told === "string" ? told : null;
}
