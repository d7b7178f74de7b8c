import { expect, it } from "vitest";
import { offered, taskState } from "./progress";

const states = (plan: { state: string; position: number; isUndoing: boolean }) =>
  [0, 1, 2].map((index) => taskState(plan, index));

it("tasks before the one in hand are done, those behind it are next", () => {
  expect(states({ state: "RUNNING", position: 1, isUndoing: false })).toEqual([
    "done",
    "now",
    "next",
  ]);
  expect(states({ state: "DRAFT", position: 0, isUndoing: false })).toEqual([
    "next",
    "next",
    "next",
  ]);
});

it("a plan that ended has nothing in hand", () => {
  expect(states({ state: "DONE", position: 3, isUndoing: false })).not.toContain("now");
  expect(states({ state: "ROLLED_BACK", position: -1, isUndoing: true })).toEqual([
    "void",
    "void",
    "void",
  ]);
  expect(states({ state: "FAILED", position: 1, isUndoing: true })).toEqual([
    "done",
    "failed",
    "void",
  ]);
});

it("only what a state allows is offered, and what is being taken back is not taken back again", () => {
  const plan = (state: string, isUndoing = false) => offered({ state, position: 0, isUndoing });
  expect(plan("DRAFT")).toEqual(["approve", "cancel"]);
  expect(plan("RUNNING")).toEqual(["pause", "cancel"]);
  expect(plan("PAUSED")).toEqual(["resume", "cancel"]);
  expect(plan("RUNNING", true)).toEqual(["pause"]);
  for (const ended of ["DONE", "FAILED", "ROLLED_BACK"]) expect(plan(ended)).toEqual([]);
});
