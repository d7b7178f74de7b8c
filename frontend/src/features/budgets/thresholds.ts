/** Read percentages as people write them: `50, 80, 100`; null where they are something else. */
export function thresholdsOf(text: string): number[] | null {
  const parts = text
    .split(/[\s,]+/)
    .map((part) => part.replace(/%$/, ""))
    .filter(Boolean);
  const found = parts.map(Number);
  if (found.some((one) => !Number.isInteger(one) || one < 1 || one > 1000)) return null;
  return [...new Set(found)].sort((one, other) => one - other);
}
