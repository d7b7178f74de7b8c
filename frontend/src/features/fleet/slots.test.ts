import { describe, expect, it } from "vitest";
import { slotsOf } from "./slots";

const slice = (placementStart: number, placementSize: number) => ({
  placementStart,
  placementSize,
});

describe("slotsOf", () => {
  it("fills the gaps between slices, in order", () => {
    const slots = slotsOf(8, [slice(6, 2), slice(0, 4)]);
    expect(slots.map((one) => [one.start, one.size, one.slice !== null])).toEqual([
      [0, 4, true],
      [4, 2, false],
      [6, 2, true],
    ]);
  });

  it("shows an empty card as one gap and a full one without any", () => {
    expect(slotsOf(12, [])).toEqual([{ start: 0, size: 12, slice: null }]);
    expect(slotsOf(4, [slice(0, 4)]).every((one) => one.slice)).toBe(true);
  });

  it("accounts for every unit once", () => {
    const slots = slotsOf(8, [slice(1, 1), slice(4, 2), slice(7, 1)]);
    expect(slots.reduce((sum, one) => sum + one.size, 0)).toBe(8);
  });
});
