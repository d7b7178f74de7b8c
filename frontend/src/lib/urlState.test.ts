import { expect, it } from "vitest";
import { parseSearch, writeSearch } from "./urlState";

it("keeps numbers and words as a person writes them", () => {
  expect(
    writeSearch({ days: 14, q: "gpu a100", "f.status": "FAILED", empty: "", none: undefined }),
  ).toBe("?days=14&q=gpu+a100&f.status=FAILED");
  expect(parseSearch("?days=14&q=gpu+a100")).toEqual({ days: "14", q: "gpu a100" });
});
