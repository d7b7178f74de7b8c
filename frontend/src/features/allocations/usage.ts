/** Turns rows of measurements into series that a chart draws; a gap stays a gap. */

export interface MetricRow {
  group: string;
  at: string;
  value: number;
}

export interface Measured {
  times: number[];
  series: { label: string; values: (number | null)[] }[];
}

/** One series for each group over all times that any of them was measured at. */
export function measured(rows: readonly MetricRow[]): Measured {
  const moments = [...new Set(rows.map((row) => secondsOf(row.at)))].sort((a, b) => a - b);
  const times = withGaps(moments);
  const place = new Map(times.map((time, index) => [time, index]));
  const byGroup = new Map<string, (number | null)[]>();
  for (const row of rows) {
    const values = byGroup.get(row.group) ?? new Array<number | null>(times.length).fill(null);
    byGroup.set(row.group, values);
    values[place.get(secondsOf(row.at)) ?? 0] = row.value;
  }
  const series = [...byGroup].map(([label, values]) => ({ label, values }));
  return { times, series: series.sort((one, other) => one.label.localeCompare(other.label)) };
}

/** Put an empty moment where at least one bucket is missing, so that no line crosses a gap. */
function withGaps(moments: number[]): number[] {
  const steps = moments.slice(1).map((moment, index) => moment - (moments[index] ?? moment));
  const step = Math.min(...steps);
  return moments.flatMap((moment, index) => {
    const before = moments[index - 1];
    return before !== undefined && moment - before > step * 1.5
      ? [before + step, moment]
      : [moment];
  });
}

function secondsOf(moment: string): number {
  return Math.round(new Date(moment).getTime() / 1000);
}
