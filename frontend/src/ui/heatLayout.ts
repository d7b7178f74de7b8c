/** Where each cell of a heat map stands: groups of cells, packed into columns. Pure. */

export interface HeatGroup {
  label: string;
  count: number;
}

export interface HeatLayout {
  cell: number;
  gap: number;
  height: number;
  labelWidth: number;
  /** Left upper corner of each group's first cell, in pixels. */
  places: { x: number; y: number }[];
  /** Width of one group without its label. */
  perRow: number;
}

const SIZES = [22, 18, 15, 12, 10, 8, 7, 6, 5, 4];
const LABELS_UP_TO = 64;
const LEGIBLE = 12;

/** Return the largest cells with which `groups` fit into `width` × `maxHeight` pixels. */
export function heatLayout(groups: HeatGroup[], width: number, maxHeight: number): HeatLayout {
  const perRow = Math.max(1, ...groups.map((group) => Math.min(group.count, 16)));
  const labelWidth = groups.length <= LABELS_UP_TO ? 132 : 0;
  let found = layoutOf(groups, width, { cell: SIZES.at(-1) ?? 4, perRow, labelWidth });
  for (const cell of [...SIZES].reverse()) {
    const tried = layoutOf(groups, width, { cell, perRow, labelWidth });
    // Names must stay legible: a few of them may take more height than was wished.
    if (tried.height > maxHeight && (labelWidth === 0 || cell > LEGIBLE)) break;
    found = tried;
  }
  return found;
}

interface Sizes {
  cell: number;
  perRow: number;
  labelWidth: number;
}

function layoutOf(groups: HeatGroup[], width: number, sizes: Sizes): HeatLayout {
  const { cell, perRow, labelWidth } = sizes;
  const gap = cell > 7 ? 2 : 1;
  const between = labelWidth > 0 ? 14 : cell;
  const groupWidth = labelWidth + perRow * (cell + gap) + between;
  const columns = Math.max(1, Math.floor((width + between) / groupWidth));
  const inColumn = Math.ceil(groups.length / columns);
  const rowGap = labelWidth > 0 ? 4 : gap;
  let height = 0;
  let y = 0;
  const places = groups.map((group, index) => {
    if (index % inColumn === 0) y = 0;
    const x = Math.floor(index / inColumn) * groupWidth + labelWidth;
    const place = { x, y };
    y += Math.max(1, Math.ceil(group.count / perRow)) * (cell + gap) + rowGap;
    height = Math.max(height, y);
    return place;
  });
  return { cell, gap, height, labelWidth, places, perRow };
}

/** Return group and cell under a point; null between cells. */
export function cellAt(
  layout: HeatLayout,
  groups: HeatGroup[],
  point: { x: number; y: number },
): { group: number; cell: number } | null {
  const step = layout.cell + layout.gap;
  for (let group = 0; group < groups.length; group++) {
    const place = layout.places[group];
    const count = groups[group]?.count ?? 0;
    if (!place) continue;
    const column = Math.floor((point.x - place.x) / step);
    const row = Math.floor((point.y - place.y) / step);
    if (column < 0 || column >= layout.perRow || row < 0) continue;
    const cell = row * layout.perRow + column;
    if (cell < count) return { group, cell };
  }
  return null;
}
