import { describe, expect, it } from "vitest";
import { bodyOf, formOf, inAddress, labelsOf } from "./form";

const NOBODY = { team: null, user: null };

describe("the request form", () => {
  it("is filled from the address, and from who asks", () => {
    const form = formOf(
      { namespace: "ml", pod: "train", kind: "mig", memory: "20", count: "2", models: "a,b" },
      { team: "vision", user: "kim" },
    );
    expect(form).toMatchObject({ kind: "mig", memoryGb: 20, count: 2, teamId: "vision" });
    expect(form.models).toEqual(["a", "b"]);
    expect(formOf({ kind: "nonsense", memory: "x" }, NOBODY)).toMatchObject({
      kind: "whole",
      memoryGb: 40,
    });
  });

  it("asks nothing before it is filled in", () => {
    expect(bodyOf(formOf({}, NOBODY))).toBeNull();
    expect(bodyOf(formOf({ namespace: "ml", pod: "p", labels: "zone" }, NOBODY))).toBeNull();
  });

  it("sends a share as a share, and everything else without one", () => {
    const filled = { namespace: "ml", pod: "p", count: "4", milli: "250" };
    const share = bodyOf(formOf({ ...filled, kind: "share" }, NOBODY));
    expect(share).toMatchObject({ gpuMilli: 250, count: 1, useMig: false });
    const whole = bodyOf(formOf({ ...filled, cpu: "1.5", hours: "3" }, NOBODY));
    expect(whole).toMatchObject({ gpuMilli: null, count: 4, cpuMilli: 1500, maxDurationHours: 3 });
  });

  it("comes back from the address as it was put there", () => {
    const kept = { ...inAddress("wait", true), ...inAddress("models", ["l4"]) };
    expect(formOf(kept, NOBODY)).toMatchObject({ wait: true, models: ["l4"] });
    expect(inAddress("wait", false)).toEqual({ wait: "" });
  });

  it("reads labels as people write them", () => {
    expect(labelsOf("zone=a, pool=b=c")).toEqual({ zone: "a", pool: "b=c" });
    expect(labelsOf("=a")).toBeNull();
  });
});
