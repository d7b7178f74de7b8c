interface Row {
  at: string;
  value: number;
}

/** The figures of a metric at every step of the window; a step without any is a gap, not zero. */
export function gridOf(found: { start: number; end: number; step: number; rows: readonly Row[] }): {
  times: number[];
  values: (number | null)[];
} {
  const told = new Map(found.rows.map((row) => [Date.parse(row.at) / 1000, row.value]));
  const times: number[] = [];
  for (let at = found.start; at < found.end; at += found.step) times.push(at);
  return { times, values: times.map((at) => told.get(at) ?? null) };
}
