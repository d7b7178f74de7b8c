import { describe, expect, it } from "vitest";
import { cellAt, heatLayout } from "./heatLayout";

const groups = (nodes: number, gpus: number) =>
  Array.from({ length: nodes }, (_, at) => ({ label: `n${at}`, count: gpus }));

describe("heatLayout", () => {
  it("fits 1,213 nodes into the place it has", () => {
    const layout = heatLayout(groups(1213, 6), 1000, 420);
    expect(layout.height).toBeLessThanOrEqual(420);
    expect(layout.cell).toBeGreaterThanOrEqual(5);
    expect(layout.places).toHaveLength(1213);
  });

  it("names the nodes of a small fleet", () => {
    expect(heatLayout(groups(4, 8), 800, 420).labelWidth).toBeGreaterThan(0);
    expect(heatLayout(groups(400, 8), 800, 420).labelWidth).toBe(0);
  });

  it("keeps names legible on a phone, whatever height that takes", () => {
    expect(heatLayout(groups(40, 8), 340, 200).cell).toBeGreaterThanOrEqual(12);
  });

  it("finds every cell again where it was drawn", () => {
    const made = groups(30, 8);
    const layout = heatLayout(made, 900, 420);
    for (let group = 0; group < made.length; group++) {
      for (let cell = 0; cell < 8; cell++) {
        const place = layout.places[group] ?? { x: 0, y: 0 };
        const x = place.x + cell * (layout.cell + layout.gap) + 1;
        expect(cellAt(layout, made, { x, y: place.y + 1 })).toEqual({ group, cell });
      }
    }
    expect(cellAt(layout, made, { x: -5, y: 3 })).toBeNull();
  });
});
