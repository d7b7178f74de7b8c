import { describe, expect, it } from "vitest";
import { backoffMs, SseParser } from "./sse";

describe("SseParser", () => {
  it("reads events wherever the text is cut", () => {
    const text = 'retry: 3000\n: hello\n\nid: 7\nevent: device.failure\ndata: {"a":\ndata: 1}\n\n';
    for (let cut = 0; cut < text.length; cut++) {
      const parser = new SseParser();
      const found = [...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))];
      expect(found).toEqual([{ id: "7", type: "device.failure", data: '{"a":\n1}' }]);
      expect(parser.retryMs).toBe(3000);
    }
  });

  it("forgets what it has told: a hundred thousand events leave nothing behind", () => {
    const parser = new SseParser();
    for (let id = 0; id < 100_000; id++) parser.push(`id: ${id}\nevent: x\ndata: y\n\n`);
    expect(JSON.stringify(parser).length).toBeLessThan(100);
  });
});

describe("backoffMs", () => {
  it("doubles up to a minute, a little apart for each", () => {
    expect([0, 1, 2, 3].map((attempt) => backoffMs(attempt, 0.5))).toEqual([
      1000, 2000, 4000, 8000,
    ]);
    expect(backoffMs(50, 1)).toBe(66_000);
    expect(backoffMs(50, 0)).toBe(54_000);
  });
});
