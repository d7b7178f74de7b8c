import { describe, expect, it } from "vitest";
import type { Stretch } from "./api";
import { packed, timelineOf } from "./timeline";

const stretch = (start: string, end: string, allocations: string[], state = "READY"): Stretch => ({
  start: `2026-03-01T${start}:00Z`,
  end: `2026-03-01T${end}:00Z`,
  state,
  reason: null,
  heldMilli: 0,
  allocations,
  ratePerHour: null,
});

describe("timelineOf", () => {
  it("joins what goes on over several stretches", () => {
    const found = timelineOf([
      stretch("00:00", "01:00", ["a"]),
      stretch("01:00", "02:00", ["a", "b"]),
      stretch("02:00", "03:00", ["b"]),
      stretch("03:00", "04:00", [], "FAILED"),
    ]);
    expect(found.states.map((one) => [one.key, (one.end - one.start) / 3600])).toEqual([
      ["READY", 3],
      ["FAILED", 1],
    ]);
    expect(found.lanes.map((lane) => lane.map((one) => one.key))).toEqual([["a"], ["b"]]);
    expect((found.end - found.start) / 3600).toBe(4);
  });

  it("shows a hold that came back as two", () => {
    const found = timelineOf([
      stretch("00:00", "01:00", ["a"]),
      stretch("01:00", "02:00", []),
      stretch("02:00", "03:00", ["a"]),
    ]);
    expect(found.lanes).toHaveLength(1);
    expect(found.lanes[0]).toHaveLength(2);
  });

  it("is empty for nothing", () => {
    expect(timelineOf([])).toEqual({ start: 0, end: 0, states: [], lanes: [] });
  });
});

describe("packed", () => {
  it("never lets two of a lane overlap, and reuses lanes", () => {
    const span = (start: number, end: number) => ({ start, end, key: `${start}` });
    const lanes = packed([span(5, 9), span(0, 5), span(1, 2), span(2, 8), span(9, 10)]);
    expect(lanes).toHaveLength(2);
    for (const lane of lanes) {
      for (let at = 1; at < lane.length; at++) {
        expect(lane[at - 1]?.end).toBeLessThanOrEqual(lane[at]?.start ?? 0);
      }
    }
  });
});
