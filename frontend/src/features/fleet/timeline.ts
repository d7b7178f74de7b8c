import type { Stretch } from "./api";

export interface Span {
  /** Unix seconds, half open. */
  start: number;
  end: number;
  /** A state, or the id of an allocation. */
  key: string;
  note?: string;
}

export interface Timeline {
  start: number;
  end: number;
  states: Span[];
  /** Holds without overlap within a lane. */
  lanes: Span[][];
}

const seconds = (moment: string) => Date.parse(moment) / 1000;

/** Turn the stretches of the ledger, one per change, into spans that can be drawn. */
export function timelineOf(stretches: readonly Stretch[]): Timeline {
  const states: Span[] = [];
  const open = new Map<string, Span>();
  const holds: Span[] = [];
  for (const one of stretches) {
    const [start, end] = [seconds(one.start), seconds(one.end)];
    lengthen(states, { start, end, key: one.state, note: one.reason ?? undefined });
    for (const key of one.allocations) {
      const known = open.get(key);
      if (known && known.end === start) known.end = end;
      else {
        const span = { start, end, key };
        open.set(key, span);
        holds.push(span);
      }
    }
  }
  const start = states[0]?.start ?? 0;
  return { start, end: states.at(-1)?.end ?? start, states, lanes: packed(holds) };
}

function lengthen(spans: Span[], next: Span): void {
  const last = spans.at(-1);
  if (last && last.key === next.key && last.note === next.note && last.end === next.start) {
    last.end = next.end;
  } else spans.push(next);
}

/** Put spans into as few lanes as possible: each into the first that is free by then. */
export function packed(spans: readonly Span[]): Span[][] {
  const lanes: Span[][] = [];
  for (const span of [...spans].sort((one, other) => one.start - other.start)) {
    const free = lanes.find((lane) => (lane.at(-1)?.end ?? 0) <= span.start);
    if (free) free.push(span);
    else lanes.push([span]);
  }
  return lanes;
}
