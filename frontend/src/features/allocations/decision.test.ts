import { describe, expect, it } from "vitest";
import { readDecision } from "./decision";
import { measured } from "./usage";

describe("a decision", () => {
  it("tells what GPUs lacked, the most first", () => {
    const reading = readDecision({
      refusals: [
        { reason: "FAILED", devices: 1, nodes: 1, wanted: null, largest: null },
        { reason: "MEMORY", devices: 136, nodes: 9, wanted: 80, largest: 48 },
      ],
      largestFreeGpus: 8,
    });
    expect(reading.lacks.map((one) => one.reason)).toEqual(["MEMORY", "FAILED"]);
    expect(reading.lacks[0]?.largest).toBe(48);
    expect(reading.largestFreeGpus).toBe(8);
    expect(reading.node).toBeNull();
  });

  it("is empty where nothing was told", () => {
    expect(readDecision(null)).toMatchObject({ lacks: [], parts: [], candidates: null });
    expect(readDecision({ refusals: "none", parts: [1] })).toMatchObject({ lacks: [], parts: [] });
  });
});

describe("measurements", () => {
  const at = (minute: number) => `2026-03-02T12:0${minute}:00Z`;

  it("become one series for each GPU, and a gap stays a gap", () => {
    const { times, series } = measured([
      { group: "b", at: at(0), value: 10 },
      { group: "a", at: at(0), value: 20 },
      { group: "a", at: at(1), value: 30 },
      { group: "a", at: at(5), value: 40 },
    ]);
    expect(times).toHaveLength(4);
    expect(series.map((one) => one.label)).toEqual(["a", "b"]);
    expect(series[0]?.values).toEqual([20, 30, null, 40]);
    expect(series[1]?.values).toEqual([10, null, null, null]);
  });
});
