import { describe, expect, it } from "vitest";
import {
  bodyOf,
  formOf,
  inAddress,
  isAsked,
  isSound,
  labelsOf,
  weightFault,
  windowFault,
} from "./planForm";

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

  it("keeps weights and windows in the address and sends moments with their zone", () => {
    const search = {
      ...inAddress("weights", [{ team: "ml", weight: 2.5 }]),
      ...inAddress("windows", [{ node: "n-1", from: "2026-12-01T22:00", to: "2026-12-02T04:00" }]),
    } as Record<string, string>;
    const form = formOf(search);
    expect(isSound(form)).toBe(true);
    const body = bodyOf(form);
    expect(body.teamWeights).toEqual({ ml: 2.5 });
    expect(body.windows).toEqual([
      {
        nodeName: "n-1",
        startsAt: new Date("2026-12-01T22:00").toISOString(),
        endsAt: new Date("2026-12-02T04:00").toISOString(),
      },
    ]);
  });

  it("keeps an unfinished row, says what it lacks, and does not send it", () => {
    const search = inAddress("windows", [{ node: "", from: "", to: "" }]) as Record<string, string>;
    const form = formOf(search);
    expect(form.windows).toEqual([{ node: "", from: "", to: "" }]);
    expect(isSound(form)).toBe(false);
    expect(bodyOf(form).windows).toEqual([]);
    expect(windowFault({ node: "n1", from: "", to: "" })).toBe("moments");
    const late = { node: "n1", from: "2026-12-02T04:00", to: "2026-12-02T04:00" };
    expect(windowFault(late)).toBe("order");
    const twice = [
      { team: "a", weight: 1 },
      { team: "a", weight: 2 },
    ];
    expect(weightFault({ team: "a", weight: 1 }, twice)).toBe("twice");
    expect(weightFault({ team: " ", weight: 1 }, [])).toBe("team");
  });
});
