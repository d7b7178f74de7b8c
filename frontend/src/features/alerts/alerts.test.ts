import { describe, expect, it } from "vitest";
import type { Alert } from "./api";
import { plain } from "./RuleWords";
import { taken } from "./useAcknowledge";

describe("taking an alert on", () => {
  it("changes that one in every page, and nothing else", () => {
    const row = (alertId: string) => ({ alertId, status: "firing" }) as Alert;
    const page = (...rows: Alert[]) => ({ rows, total: 3, nextCursor: null });
    const pages = { pages: [page(row("a")), page(row("b"), row("c"))], pageParams: ["", "1"] };
    const changed = taken(pages, "b");
    expect(changed.pages.flatMap((one) => one.rows.map((each) => each.status))).toEqual([
      "firing",
      "acknowledged",
      "firing",
    ]);
    expect(pages.pages[1]?.rows[0]?.status).toBe("firing");
  });
});

describe("a rule's sentence", () => {
  it("names what its template puts in", () => {
    expect(plain("GPU {{ $labels.gpu }} has {{ $value }}°C")).toBe("GPU ‹gpu› has ‹value›°C");
  });
});
