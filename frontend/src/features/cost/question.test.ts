import { describe, expect, it } from "vitest";
import type { CostRow } from "./api";
import { barsOf, totalsOf } from "./figures";
import { csvOf, drilled, filtersOnWire, NOBODY, questionOf, windowOfDays } from "./question";

describe("the explorer's question", () => {
  it("stands in the address, in OpenCost's words", () => {
    const question = questionOf({ window: "lastmonth", aggregate: "namespace", team: "ml" });
    expect(question).toEqual({
      window: "lastmonth",
      aggregate: "namespace",
      filters: { team: "ml" },
    });
    expect(questionOf({ aggregate: "nonsense" })).toMatchObject({
      window: "7d",
      aggregate: "team",
    });
  });

  it("leads a step down, past what is limited already", () => {
    const top = questionOf({});
    expect(drilled(top, "ml")).toEqual({ team: "ml", aggregate: "namespace" });
    expect(drilled(top, null)).toEqual({ team: NOBODY, aggregate: "namespace" });
    const below = questionOf({ aggregate: "team", namespace: "a", cluster: "c" });
    expect(drilled(below, "ml")).toEqual({ team: "ml", aggregate: "user" });
    expect(drilled(questionOf({ aggregate: "day" }), "2026-01-01")).toBeNull();
  });

  it("asks for what belongs to nobody with the empty text, also in the CSV", () => {
    const question = questionOf({ team: NOBODY, namespace: "a b" });
    expect(filtersOnWire(question.filters)).toEqual({ team: "", namespace: "a b" });
    expect(csvOf(question, "/by")).toContain("&team=&namespace=a%20b");
  });

  it("takes whole days of the billing zone, also where clocks change", () => {
    expect(windowOfDays("2026-03-01", "2026-03-02", "Asia/Seoul")).toBe(
      "2026-02-28T15:00:00Z,2026-03-02T15:00:00Z",
    );
    expect(windowOfDays("2026-03-29", "2026-03-29", "Europe/Berlin")).toBe(
      "2026-03-28T23:00:00Z,2026-03-29T22:00:00Z",
    );
    expect(windowOfDays("2026-03-02", "2026-03-01", "UTC")).toBeNull();
  });
});

function row(team: string | null, day: string, cost: number): CostRow {
  return { team, day, cost, gpuHours: 1, unpricedGpuHours: 0 } as CostRow;
}

describe("what is shown", () => {
  const names = { none: "none", others: "others", all: "all" };

  it("adds up to the same whatever the bars are", () => {
    const rows = Array.from({ length: 12 }, (_, at) =>
      row(`t${at}`, `2026-01-0${(at % 3) + 1}`, at),
    );
    const bars = barsOf(rows, "team", names);
    const shown = bars.series.flatMap((one) => one.values).reduce((sum, one) => sum + one, 0);
    expect(shown).toBe(totalsOf(rows).cost);
    expect(bars.days).toHaveLength(3);
    expect(bars.series).toHaveLength(8);
    expect(bars.series.at(-1)?.label).toBe("others");
  });

  it("names what has no name, and sums days where there are no groups", () => {
    const rows = [row(null, "2026-01-01", 2), row("ml", "2026-01-01", 3)];
    expect(barsOf(rows, "team", names).series.map((one) => one.label)).toEqual(["ml", "none"]);
    expect(barsOf(rows, "day", names).series).toMatchObject([{ label: "all", values: [5] }]);
  });

  it("has no price for an hour that nobody held", () => {
    expect(totalsOf([]).perHour).toBeNull();
  });
});
