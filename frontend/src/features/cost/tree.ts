/** Costs in two levels, and where each stands on the treemap. Pure. */

import type { Search } from "../../lib/urlState";
import type { CostRow } from "./api";
import {
  type Aggregate,
  type CostQuestion,
  drilled,
  FILTERS,
  type Filter,
  NOBODY,
} from "./question";
import { type Box, squarify } from "./squarify";

/** What the boxes of a group can be: what a team spends on, or who of it. */
const INNER = ["namespace", "model", "user"] as const;
export type Inner = (typeof INNER)[number];

const MOST_GROUPS = 14;
const MOST_PARTS = 12;
/** Header of a group, and what a group needs to have one, in pixels. */
const HEAD = 24;
const LEAST = { width: 64, height: 56 };
const GAP = 2;

export interface Part {
  /** As the API tells it; null belongs to nobody, undefined stands for several. */
  value: string | null | undefined;
  cost: number;
  usedCost: number;
  idleCost: number;
}

export interface Group extends Part {
  parts: Part[];
}

export interface Leaf {
  part: Part;
  box: Box;
}

export interface Branch {
  group: Group;
  box: Box;
  hasHead: boolean;
  leaves: Leaf[];
}

/** What the parts of a group can be told by, the first one unless asked. */
export function innersOf(question: CostQuestion): Inner[] {
  const isGroup = (FILTERS as readonly string[]).includes(question.aggregate);
  if (!isGroup || question.aggregate === "allocation") return [];
  return INNER.filter((one) => one !== question.aggregate && !(one in question.filters));
}

/** Rows of two dimensions as groups and their parts, the dearest first; many are put together. */
export function groupsOf(rows: readonly CostRow[], outer: Aggregate, inner: Inner): Group[] {
  const found = new Map<string | null, Part[]>();
  for (const row of rows.filter((one) => one.cost > 0)) {
    const { cost, usedCost, idleCost } = row;
    const parts = found.get(row[outer]) ?? [];
    parts.push({ value: row[inner], cost, usedCost, idleCost });
    found.set(row[outer], parts);
  }
  const groups = [...found].map(([value, parts]) => ({
    ...summed(parts, value),
    parts: fewest(parts, MOST_PARTS),
  }));
  const shown = fewest(groups, MOST_GROUPS);
  return shown.map((one) => ("parts" in one ? (one as Group) : { ...one, parts: [one] }));
}

function fewest<Kind extends Part>(parts: readonly Kind[], most: number): (Kind | Part)[] {
  const ordered = [...parts].sort((one, other) => other.cost - one.cost);
  if (ordered.length <= most) return ordered;
  return [...ordered.slice(0, most - 1), summed(ordered.slice(most - 1), undefined)].sort(
    (one, other) => other.cost - one.cost,
  );
}

function summed(parts: readonly Part[], value: Part["value"]): Part {
  const sum = (read: (part: Part) => number) =>
    parts.reduce((total, part) => total + read(part), 0);
  return {
    value,
    cost: sum((part) => part.cost),
    usedCost: sum((part) => part.usedCost),
    idleCost: sum((part) => part.idleCost),
  };
}

/** Where groups and their parts stand within a width and a height. */
export function laidOut(groups: readonly Group[], width: number, height: number): Branch[] {
  const boxes = squarify(
    groups.map((group) => group.cost),
    { x: 0, y: 0, width, height },
  );
  return groups.flatMap((group, at) => {
    const outer = boxes[at];
    if (!outer) return [];
    const box = { ...outer, width: outer.width - GAP, height: outer.height - GAP };
    const hasHead = box.width >= LEAST.width && box.height >= LEAST.height;
    const top = hasHead ? HEAD : 0;
    const inside = { x: 0, y: top, width: box.width, height: Math.max(0, box.height - top) };
    const places = squarify(
      group.parts.map((part) => part.cost),
      inside,
    );
    const leaves = group.parts.flatMap((part, place) => {
      const there = places[place];
      return there ? [{ part, box: there }] : [];
    });
    return [{ group, box, hasHead, leaves }];
  });
}

/** The measured share in use, 0 to 1; null where less than half was measured. */
export function usedShare(part: Omit<Part, "value">): number | null {
  const seen = part.usedCost + part.idleCost;
  return part.cost > 0 && seen >= part.cost / 2 ? part.usedCost / seen : null;
}

/** Where a group, or a part of it, leads: the same window, limited to it. */
export function leadsTo(
  question: CostQuestion,
  group: Part["value"],
  inner: Inner,
  part: Part["value"],
): Search | null {
  if (group === undefined) return null;
  const below = drilled(question, group);
  if (part === undefined || !below) return below;
  const filters = { ...question.filters, [question.aggregate as Filter]: group ?? NOBODY };
  const next = drilled({ ...question, aggregate: inner, filters }, part);
  return next ? { ...filters, ...next } : below;
}
