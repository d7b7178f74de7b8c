import { describe, expect, it } from "vitest";
import { thresholdsOf } from "./thresholds";

describe("thresholds", () => {
  it("are read as people write them, each once, in order", () => {
    expect(thresholdsOf("100, 50 80%,50")).toEqual([50, 80, 100]);
    expect(thresholdsOf("")).toEqual([]);
  });

  it("are refused where they are no percentages", () => {
    for (const text of ["half", "0", "50.5", "-1", "2000"]) expect(thresholdsOf(text)).toBeNull();
  });
});
