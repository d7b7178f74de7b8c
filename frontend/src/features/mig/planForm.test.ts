import { describe, expect, it } from "vitest";
import { bodyOf, formOf, inAddress, isAsked, labelsOf } from "./planForm";

describe("the form of a plan", () => {
  it("is as usual where the address says nothing", () => {
    const body = bodyOf(formOf({}));
    expect(body.demand).toBeNull();
    expect(body.historyDays).toBeNull();
    expect(body.allowRestarts).toBe(true);
    expect(body.costLimit).toBeNull();
    expect(body.movableWorkloadTypes).toEqual([]);
    expect(isAsked({ view: "plans" })).toBe(false);
  });

  it("stands in the address and comes back", () => {
    const search = {
      ...inAddress("demand", { "7g.80gb": 2, "1g.10gb": 0 }),
      ...inAddress("work", ["Inference"]),
      ...inAddress("keepNodes", ["n1", "n2"]),
      ...inAddress("costLimit", 0),
      ...inAddress("restarts", false),
    } as Record<string, string>;
    expect(isAsked(search)).toBe(true);
    const form = formOf(search);
    expect(form.demand).toEqual({ "7g.80gb": 2 });
    expect([form.work, form.keepNodes]).toEqual([["Inference"], ["n1", "n2"]]);
    expect([form.costLimit, form.restarts]).toEqual([0, false]);
  });

  it("leaves out of the address what is as usual", () => {
    expect(inAddress("restarts", true)).toEqual({ restarts: undefined });
    expect(inAddress("moveSeconds", 120)).toEqual({ moveSeconds: undefined });
    expect(inAddress("costLimit", null)).toEqual({ limit: undefined });
    expect(inAddress("demand", {})).toEqual({ demand: undefined });
  });

  it("asks for the history only without a demand of its own", () => {
    expect(bodyOf(formOf({ history: "7" })).historyDays).toBe(7);
    expect(bodyOf(formOf({ history: "7", demand: "1g.10gb:1" })).historyDays).toBeNull();
  });

  it("does not trust the address", () => {
    const form = formOf({
      seconds: "999",
      work: "Inference,Mining",
      demand: "x:-1,:3",
      limit: "a",
    });
    expect([form.seconds, form.work, form.demand, form.costLimit]).toEqual([
      30,
      ["Inference"],
      {},
      0,
    ]);
  });

  it("reads labels as people write them", () => {
    expect(labelsOf("tier=gold, zone = a,rest")).toEqual({ tier: "gold", zone: "a" });
  });
});
