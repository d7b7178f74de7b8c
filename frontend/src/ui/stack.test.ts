import { expect, it } from "vitest";
import { stacked } from "./stack";

it("adds series up so that the first stands on all others", () => {
  const layers = stacked([{ values: [1, 2] }, { values: [10, null] }, { values: [100, 200] }]);
  expect(layers).toEqual([
    [111, 202],
    [110, null],
    [100, 200],
  ]);
});
