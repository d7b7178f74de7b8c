import { expect, it } from "vitest";
import { features, menuFor } from "./features";

it("finds features by their place, each under its own name and paths", () => {
  expect(features.map((one) => one.name)).toContain("overview");
  const paths = features.flatMap((one) => one.routes.map((route) => route.path));
  expect(new Set(paths).size).toBe(paths.length);
});

it("shows people what they may use, in the order of the sections", () => {
  const all = ["overview.read", "general.read"];
  expect(menuFor(all)[0]?.lines[0]?.path).toBe("/");
  expect(
    menuFor([])
      .flatMap((group) => group.lines)
      .some((line) => line.path === "/"),
  ).toBe(false);
});
