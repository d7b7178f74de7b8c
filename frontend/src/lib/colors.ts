/** Scales and state colours that colour-blind people tell apart (viridis; Okabe and Ito 2008). */

const CIVIDIS = [
  [0, 34, 78],
  [18, 53, 112],
  [59, 73, 108],
  [87, 93, 109],
  [112, 113, 115],
  [138, 134, 120],
  [165, 156, 116],
  [195, 179, 105],
  [225, 204, 85],
  [254, 232, 56],
] as const;

/** The cividis colour of a share from 0 to 1. */
export function cividis(share: number): string {
  const place = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1);
  const low = CIVIDIS[Math.floor(place)] ?? CIVIDIS[0];
  const high = CIVIDIS[Math.ceil(place)] ?? low;
  const part = place - Math.floor(place);
  const mixed = low.map((value, index) =>
    Math.round(value + ((high[index] ?? value) - value) * part),
  );
  return `rgb(${mixed.join(" ")})`;
}

/** Colours of the buckets of GPU time; each is always shown with its name or pattern. */
export const BUCKETS = {
  used: "#0072b2",
  idle: "#e69f00",
  unattributed: "#cc79a7",
  free: "#56b89b",
  unavailable: "#8c8c8c",
} as const;

/** Colours for series of a chart, in order. */
export const SERIES = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#e69f00",
  "#56b4e9",
  "#7a6ff0",
  "#8c8c8c",
] as const;
