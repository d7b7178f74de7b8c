import { describe, expect, it } from "vitest";
import { type Column, matching, sorted, valuesOf } from "./tableRows";

interface Row {
  name: string;
  busy: number | null;
}

const rows: Row[] = [
  { name: "gpu-10", busy: 3 },
  { name: "gpu-9", busy: null },
  { name: "gpu-2", busy: 80 },
];
const columns: Column<Row>[] = [
  { id: "name", header: "Name", value: (row) => row.name },
  { id: "busy", header: "Busy", value: (row) => row.busy },
];
const names = (found: Row[]) => found.map((row) => row.name);

describe("sorted", () => {
  it("reads numbers in names as people do", () => {
    expect(names(sorted(rows, columns, "name", "en"))).toEqual(["gpu-2", "gpu-9", "gpu-10"]);
  });

  it("leaves the unknown last in both directions", () => {
    expect(names(sorted(rows, columns, "busy", "en"))).toEqual(["gpu-10", "gpu-2", "gpu-9"]);
    expect(names(sorted(rows, columns, "-busy", "en"))).toEqual(["gpu-2", "gpu-10", "gpu-9"]);
  });

  it("leaves rows alone when the order is unknown", () => {
    expect(sorted(rows, columns, "nothing", "en")).toEqual(rows);
  });
});

describe("matching", () => {
  it("wants every word, in any column", () => {
    expect(names(matching(rows, columns, { search: "GPU 80", filters: {} }))).toEqual(["gpu-2"]);
  });

  it("filters by whole values", () => {
    expect(names(matching(rows, columns, { search: "", filters: { name: "gpu-9" } }))).toEqual([
      "gpu-9",
    ]);
  });
});

it("offers the values there are", () => {
  expect(valuesOf(rows, columns[1] as Column<Row>)).toEqual(["3", "80"]);
});
