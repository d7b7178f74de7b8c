/** Where the slices of a GPU lie, in placement units (8, 4 or 12 by the card's geometry). */

export interface Placed {
  placementStart: number;
  placementSize: number;
}

export interface Slot<Slice extends Placed> {
  start: number;
  size: number;
  /** Null: nothing is cut there. */
  slice: Slice | null;
}

/** Every unit of the card from left to right: its slices, and the gaps between them. */
export function slotsOf<Slice extends Placed>(
  units: number,
  slices: readonly Slice[],
): Slot<Slice>[] {
  const found: Slot<Slice>[] = [];
  let at = 0;
  for (const slice of [...slices].sort((one, other) => one.placementStart - other.placementStart)) {
    if (slice.placementStart > at) {
      found.push({ start: at, size: slice.placementStart - at, slice: null });
    }
    found.push({ start: slice.placementStart, size: slice.placementSize, slice });
    at = slice.placementStart + slice.placementSize;
  }
  if (at < units) found.push({ start: at, size: units - at, slice: null });
  return found;
}
