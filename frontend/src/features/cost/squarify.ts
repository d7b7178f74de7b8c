/**
 * Squarified treemaps: boxes whose areas are the values and whose sides are as equal as can be
 * (M. Bruls, K. Huizing, J. van Wijk: Squarified Treemaps, 2000). Pure.
 */

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Return a box within `whole` for each value, in their order; values are above zero, falling. */
export function squarify(values: readonly number[], whole: Box): Box[] {
  const sum = values.reduce((total, value) => total + value, 0);
  if (sum <= 0) return [];
  const scale = (whole.width * whole.height) / sum;
  const areas = values.map((value) => value * scale);
  const boxes: Box[] = [];
  let rest = whole;
  for (let first = 0; first < areas.length; ) {
    const count = rowLength(areas, first, Math.min(rest.width, rest.height));
    const row = laid(areas.slice(first, first + count), rest);
    boxes.push(...row.boxes);
    rest = row.rest;
    first += count;
  }
  return boxes;
}

/** How many areas from `first` stand in one row along `side` before it only gets worse. */
function rowLength(areas: readonly number[], first: number, side: number): number {
  let count = 1;
  let sum = areas[first] ?? 0;
  let best = worst(sum, sum, sum, side);
  for (; first + count < areas.length; count++) {
    const next = areas[first + count] ?? 0;
    const ratio = worst(sum + next, areas[first] ?? 0, next, side);
    if (ratio > best) break;
    best = ratio;
    sum += next;
  }
  return count;
}

/** The longest of the sides' ratios in a row of areas from `most` down to `least`. */
function worst(sum: number, most: number, least: number, side: number): number {
  const across = side * side;
  return Math.max((across * most) / (sum * sum), (sum * sum) / (across * least));
}

/** Lay a row along the shorter side; what is left is for the others. */
function laid(areas: readonly number[], place: Box): { boxes: Box[]; rest: Box } {
  const sum = areas.reduce((total, area) => total + area, 0);
  const isUpright = place.width >= place.height;
  const side = isUpright ? place.height : place.width;
  const depth = side > 0 ? sum / side : 0;
  let along = 0;
  const boxes = areas.map((area) => {
    const length = depth > 0 ? area / depth : 0;
    const box = isUpright
      ? { x: place.x, y: place.y + along, width: depth, height: length }
      : { x: place.x + along, y: place.y, width: length, height: depth };
    along += length;
    return box;
  });
  const rest = isUpright
    ? { ...place, x: place.x + depth, width: Math.max(0, place.width - depth) }
    : { ...place, y: place.y + depth, height: Math.max(0, place.height - depth) };
  return { boxes, rest };
}
