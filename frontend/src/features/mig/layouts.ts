/** What may be cut where: pure, from the layouts to which nothing can be added. */

export interface Place {
  profile: string;
  /** First placement unit. */
  start: number;
}

const keyOf = (place: Place) => `${place.profile}@${place.start}`;

/** The layouts that hold all of `fixed`; every legal layout is a part of at least one. */
export function holding(layouts: readonly Place[][], fixed: readonly Place[]): Place[][] {
  const wanted = fixed.map(keyOf);
  return layouts.filter((layout) => {
    const there = new Set(layout.map(keyOf));
    return wanted.every((key) => there.has(key));
  });
}

export function isLegal(layouts: readonly Place[][], drawn: readonly Place[]): boolean {
  return holding(layouts, drawn).length > 0;
}

/** What may be added to `drawn`, by profile. */
export function additions(
  layouts: readonly Place[][],
  drawn: readonly Place[],
): Map<string, number[]> {
  const there = new Set(drawn.map(keyOf));
  const found = new Map<string, Set<number>>();
  for (const place of holding(layouts, drawn).flat()) {
    if (there.has(keyOf(place))) continue;
    const starts = found.get(place.profile) ?? new Set();
    found.set(place.profile, starts.add(place.start));
  }
  return new Map([...found].map(([name, starts]) => [name, [...starts].sort((a, b) => a - b)]));
}

/** Every profile of some layouts, the largest first. */
export function profilesOf(
  layouts: readonly Place[][],
  sizes: Readonly<Record<string, number>>,
): string[] {
  const names = new Set(layouts.flat().map((place) => place.profile));
  const gb = (name: string) => Number(/\.(\d+)gb/.exec(name)?.[1] ?? 0);
  return [...names].sort(
    (one, other) =>
      (sizes[other] ?? 0) - (sizes[one] ?? 0) || gb(other) - gb(one) || one.localeCompare(other),
  );
}

/** Whether a profile is an ordinary one, without a wish about its engines (`+me`, `-me`, `+gfx`). */
export function isOrdinary(profile: string): boolean {
  return !/[+-]/.test(profile);
}

/** A layout as text for an address; an empty one is `none`. */
export function written(places: readonly Place[]): string {
  return inOrder(places).map(keyOf).join(",") || "none";
}

/** Read `written` back; what is no place is left out. */
export function read(text: string): Place[] {
  return text.split(",").flatMap((part) => {
    const at = part.lastIndexOf("@");
    const start = Number(part.slice(at + 1));
    const isPlace = at > 0 && part.length > at + 1 && Number.isInteger(start);
    return isPlace ? [{ profile: part.slice(0, at), start }] : [];
  });
}

export function inOrder<P extends Place>(places: readonly P[]): P[] {
  return [...places].sort((one, other) => one.start - other.start);
}

export interface Slot<P extends Place> {
  start: number;
  size: number;
  /** Null: nothing is cut there. */
  place: P | null;
}

/** Every unit of a card from left to right: its slices, and the gaps between them. */
export function slotsOf<P extends Place>(
  units: number,
  places: readonly P[],
  sizes: Readonly<Record<string, number>>,
): Slot<P>[] {
  const found: Slot<P>[] = [];
  let at = 0;
  for (const place of inOrder(places)) {
    if (place.start > at) found.push({ start: at, size: place.start - at, place: null });
    const size = sizes[place.profile] ?? 1;
    found.push({ start: place.start, size, place });
    at = place.start + size;
  }
  if (at < units) found.push({ start: at, size: units - at, place: null });
  return found;
}

/** How often each profile occurs, the largest first: `2 × 3g.40gb`. */
export function counted(places: readonly Place[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const place of places) counts.set(place.profile, (counts.get(place.profile) ?? 0) + 1);
  return [...counts].sort(([one], [other]) => other.localeCompare(one, "en", { numeric: true }));
}
