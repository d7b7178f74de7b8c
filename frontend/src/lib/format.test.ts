import { describe, expect, it } from "vitest";
import { Format } from "./format";

const seoul = new Format({ locale: "ko", currency: "KRW", timeZone: "Asia/Seoul" });
const plain = new Format({ locale: "en", currency: "USD", timeZone: "UTC" });
const MOMENT = "2026-03-02T15:30:00Z";

describe("Format", () => {
  it("writes a dash for what nobody knows, never a zero", () => {
    for (const text of [
      plain.number(null),
      plain.money(undefined),
      plain.pct(null),
      plain.gpus(null),
      plain.time(null),
      plain.duration(null),
    ])
      expect(text).toBe("–");
    expect(plain.number(0)).toBe("0");
  });

  it("writes money with cents when it is small", () => {
    expect(plain.money(12.5)).toBe("$12.50");
    expect(plain.money(136737.2)).toBe("$136,737");
  });

  it("tells time in the billing zone, not in the browser's", () => {
    expect(plain.date(MOMENT)).toBe("Mar 2, 2026");
    expect(seoul.date(MOMENT)).toBe("2026. 3. 3.");
  });

  it("turns thousandths into GPUs", () => {
    expect(plain.gpus(1500)).toBe("1.5");
    expect(plain.ratio(0.125, 1)).toBe("12.5 %");
  });

  it("writes a stretch in its two largest units", () => {
    expect(plain.duration(187_200)).toBe("2d 4h");
    expect(plain.duration(3_600)).toBe("1h");
    expect(plain.duration(86_430)).toBe("1d");
    expect(plain.duration(0)).toBe("0s");
  });

  it("says how long ago in words", () => {
    expect(plain.since(MOMENT, Date.parse("2026-03-02T15:33:00Z"))).toBe("3 minutes ago");
    expect(seoul.since(MOMENT, Date.parse("2026-03-02T15:33:00Z"))).toBe("3분 전");
  });
});
