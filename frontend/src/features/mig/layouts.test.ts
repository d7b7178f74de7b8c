import { describe, expect, it } from "vitest";
import {
  additions,
  counted,
  holding,
  isLegal,
  isOrdinary,
  type Place,
  profilesOf,
  read,
  slotsOf,
  written,
} from "./layouts";

const at = (profile: string, start: number): Place => ({ profile, start });

/** A part of an H100's: what cannot be added to. */
const LAYOUTS: Place[][] = [
  [at("7g.80gb", 0)],
  [at("4g.40gb", 0), at("3g.40gb", 4)],
  [at("3g.40gb", 0), at("3g.40gb", 4)],
  [at("4g.40gb", 0), at("1g.10gb", 4), at("1g.10gb", 5), at("1g.10gb", 6)],
];
const SIZES = { "7g.80gb": 8, "4g.40gb": 4, "3g.40gb": 4, "1g.10gb": 1 };

describe("what may be drawn", () => {
  it("is a part of a full layout", () => {
    expect(isLegal(LAYOUTS, [])).toBe(true);
    expect(isLegal(LAYOUTS, [at("3g.40gb", 4), at("4g.40gb", 0)])).toBe(true);
    expect(isLegal(LAYOUTS, [at("7g.80gb", 0), at("1g.10gb", 6)])).toBe(false);
    expect(isLegal(LAYOUTS, [at("3g.40gb", 0), at("1g.10gb", 6)])).toBe(false);
  });

  it("is offered by profile, and only beside what is drawn", () => {
    const offered = additions(LAYOUTS, [at("4g.40gb", 0)]);
    expect(Object.fromEntries(offered)).toEqual({ "3g.40gb": [4], "1g.10gb": [4, 5, 6] });
    expect(additions(LAYOUTS, [at("7g.80gb", 0)]).size).toBe(0);
  });

  it("can be filled up in every way that keeps what is fixed", () => {
    expect(holding(LAYOUTS, [at("3g.40gb", 4)])).toHaveLength(2);
  });

  it("is offered from the largest profile on", () => {
    expect(profilesOf(LAYOUTS, SIZES)).toEqual(["7g.80gb", "3g.40gb", "4g.40gb", "1g.10gb"]);
    expect(["1g.10gb", "1g.10gb+me", "1g.24gb-me"].map(isOrdinary)).toEqual([true, false, false]);
  });
});

describe("a drawing", () => {
  it("shows every unit once, gaps included", () => {
    const slots = slotsOf(8, [at("1g.10gb", 6), at("3g.40gb", 0)], SIZES);
    expect(slots.map((slot) => [slot.start, slot.size, slot.place?.profile ?? null])).toEqual([
      [0, 4, "3g.40gb"],
      [4, 2, null],
      [6, 1, "1g.10gb"],
      [7, 1, null],
    ]);
  });

  it("of nothing is one gap", () => {
    expect(slotsOf(8, [], SIZES)).toEqual([{ start: 0, size: 8, place: null }]);
  });

  it("is told as counts, the largest first", () => {
    expect(counted(LAYOUTS[3] ?? [])).toEqual([
      ["4g.40gb", 1],
      ["1g.10gb", 3],
    ]);
  });
});

describe("a layout in the address", () => {
  it("comes back as it was, also with signs in profile names", () => {
    const places = [at("1g.10gb+me", 0), at("1g.24gb-me", 6)];
    expect(read(written(places))).toEqual(places);
  });

  it("may be empty, which is not the same as absent", () => {
    expect(written([])).toBe("none");
    expect(read("none")).toEqual([]);
  });

  it("that somebody wrote wrong is read as far as it goes", () => {
    expect(read("3g.40gb@4,x,@1,2g.20gb@,1g.10gb@x")).toEqual([at("3g.40gb", 4)]);
  });
});
