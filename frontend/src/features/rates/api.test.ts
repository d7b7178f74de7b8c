import { describe, expect, it } from "vitest";
import { newestOf, type Rate } from "./api";

function rate(id: number, some: Partial<Rate>): Rate {
  const plain = { modelId: "l4", kind: "card", profileName: null, clusterName: null };
  return { id, ...plain, nodePool: null, ...some } as Rate;
}

describe("the rate a change is based on", () => {
  const rates = [
    rate(1, {}),
    rate(4, {}),
    rate(7, { nodePool: "spot" }),
    rate(9, { modelId: "t4" }),
  ];

  it("is the newest of the same subject", () => {
    expect(newestOf(rates, { modelId: "l4", kind: "card" })).toBe(4);
    expect(newestOf(rates, { modelId: "l4", kind: "card", nodePool: "spot" })).toBe(7);
  });

  it("is none where there is none", () => {
    expect(newestOf(rates, { modelId: "l4", kind: "profile", profileName: "1g.5gb" })).toBe(0);
  });
});
