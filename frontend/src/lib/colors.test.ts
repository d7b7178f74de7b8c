import { expect, it } from "vitest";
import { cividis } from "./colors";

function lightness(color: string): number {
  const [red = 0, green = 0, blue = 0] = (color.match(/\d+/g) ?? []).map(Number);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

it("gets lighter with every step, so that it reads without colour too", () => {
  const steps = Array.from({ length: 21 }, (_, step) => lightness(cividis(step / 20)));
  for (let at = 1; at < steps.length; at++) expect(steps[at]).toBeGreaterThan(steps[at - 1] ?? 0);
});

it("stays within the scale", () => {
  expect(cividis(-1)).toBe(cividis(0));
  expect(cividis(7)).toBe(cividis(1));
});
