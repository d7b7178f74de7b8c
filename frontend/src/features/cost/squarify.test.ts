import { expect, test } from "vitest";
import { type Box, squarify } from "./squarify";

const WHOLE = { x: 0, y: 0, width: 6, height: 4 };

test("the example of the paper is laid as the paper lays it", () => {
  const boxes = squarify([6, 6, 4, 3, 2, 2, 1], WHOLE);
  expect(boxes.slice(0, 3).map(rounded)).toEqual([
    { x: 0, y: 0, width: 3, height: 2 },
    { x: 0, y: 2, width: 3, height: 2 },
    { x: 3, y: 0, width: 1.71, height: 2.33 },
  ]);
});

test("areas are the values and fill the whole without an overlap", () => {
  const values = Array.from({ length: 60 }, (_, at) => 1 + ((at * 7919) % 97)).sort(
    (one, other) => other - one,
  );
  const sum = values.reduce((total, value) => total + value, 0);
  const boxes = squarify(values, { x: 10, y: 20, width: 900, height: 300 });
  boxes.forEach((box, at) => {
    expect((box.width * box.height) / (900 * 300)).toBeCloseTo((values[at] ?? 0) / sum, 9);
    expect(box.x).toBeGreaterThanOrEqual(10);
    expect(box.x + box.width).toBeLessThanOrEqual(910.000001);
    for (const other of boxes.slice(at + 1)) expect(shared(box, other)).toBeLessThan(1e-6);
  });
});

test("boxes are no strips", () => {
  const boxes = squarify([9, 8, 7, 6, 5, 4, 3, 2], { x: 0, y: 0, width: 800, height: 300 });
  for (const { width, height } of boxes) {
    expect(Math.max(width / height, height / width)).toBeLessThan(3);
  }
});

test("nothing has no boxes", () => expect(squarify([], WHOLE)).toEqual([]));

function rounded(box: Box): Box {
  const two = (value: number) => Math.round(value * 100) / 100;
  return { x: two(box.x), y: two(box.y), width: two(box.width), height: two(box.height) };
}

function shared(one: Box, other: Box): number {
  const wide = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
  const high = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
  return Math.max(0, wide) * Math.max(0, high);
}
