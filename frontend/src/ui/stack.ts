/** Series added up from the last to the first, so that the first is drawn on top of all. */
export function stacked(series: { values: (number | null)[] }[]): (number | null)[][] {
  const length = series[0]?.values.length ?? 0;
  const sums = new Array<number>(length).fill(0);
  const layers = series.map(() => [] as (number | null)[]);
  for (let index = series.length - 1; index >= 0; index--) {
    const values = series[index]?.values ?? [];
    layers[index] = sums.map((sum, at) => {
      const value = values[at];
      if (value == null) return null;
      sums[at] = sum + value;
      return sums[at] ?? null;
    });
  }
  return layers;
}
