import { expect, it } from "vitest";
import { gridOf } from "./series";

it("leaves a gap where nothing was measured", () => {
  const rows = [
    { at: "1970-01-01T00:00:00Z", value: 0 },
    { at: "1970-01-01T00:02:00Z", value: 7 },
  ];
  expect(gridOf({ start: 0, end: 180, step: 60, rows })).toEqual({
    times: [0, 60, 120],
    values: [0, null, 7],
  });
});
