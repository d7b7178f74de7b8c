import { describe, expect, it } from "vitest";
import type { Suggestion } from "./api";
import { isOver } from "./Exemptions";
import { answered } from "./useAnswers";

describe("an answer to a suggestion", () => {
  it("is shown on that one alone, and the list that may be put back stays as it was", () => {
    const row = (id: number) => ({ id, status: "open" }) as Suggestion;
    const list = { rows: [row(1), row(2)], total: 2, nextCursor: null };
    const changed = answered(list, 2, "dismissed");
    expect(changed.rows.map((one) => one.status)).toEqual(["open", "dismissed"]);
    expect(list.rows[1]?.status).toBe("open");
  });
});

describe("an exemption", () => {
  it("is over at its end, not before", () => {
    const until = "2026-03-02T12:00:00Z";
    expect(isOver({ until }, Date.parse(until))).toBe(true);
    expect(isOver({ until }, Date.parse(until) - 1)).toBe(false);
  });
});
