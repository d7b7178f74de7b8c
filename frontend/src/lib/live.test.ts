import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { concerns, EVERYTHING, LiveStream, oneAtATime } from "./live";

/** A stream of events that the test writes. */
function channel() {
  let pen: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start: (given) => {
      pen = given;
    },
  });
  return {
    response: { ok: true, body } as unknown as Response,
    write: (text: string) => pen?.enqueue(new TextEncoder().encode(text)),
    end: () => pen?.close(),
  };
}

const settle = () => vi.advanceTimersByTimeAsync(1);

describe("LiveStream", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("tells a storm of events once", async () => {
    const line = channel();
    const stream = new LiveStream(() => Promise.resolve(line.response));
    const told: string[][] = [];
    stream.listen((types) => told.push([...types]));
    await settle();
    expect(stream.state).toBe("live");
    for (let id = 1; id <= 500; id++) line.write(`id: ${id}\nevent: device.state\ndata: {}\n\n`);
    await vi.advanceTimersByTimeAsync(1600);
    expect(told).toEqual([["device.state"]]);
    stream.stop();
  });

  it("comes again after a break, from where it was, and says that something may be missed", async () => {
    const lines = [channel(), channel()];
    const asked: Headers[] = [];
    const stream = new LiveStream((_url, options) => {
      asked.push(new Headers(options?.headers));
      const line = lines[asked.length - 1];
      return line ? Promise.resolve(line.response) : Promise.reject(new Error("away"));
    });
    const told: string[][] = [];
    stream.listen((types) => told.push([...types]));
    await settle();
    lines[0]?.write("id: 41\nevent: a\ndata: {}\n\n");
    await settle();
    lines[0]?.end();
    await settle();
    expect(stream.state).toBe("lost");
    expect(stream.lostAt).not.toBeNull();
    await vi.advanceTimersByTimeAsync(3000);
    expect(asked[1]?.get("Last-Event-ID")).toBe("41");
    expect(stream.state).toBe("live");
    expect(told.flat()).toContain(EVERYTHING);
    stream.stop();
  });

  it("waits longer and longer while the server is away, and stops when nobody listens", async () => {
    let asked = 0;
    const stream = new LiveStream(() => {
      asked += 1;
      return Promise.reject(new Error("away"));
    });
    const leave = stream.listen(() => {});
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBeGreaterThan(3);
    expect(asked).toBeLessThan(8);
    leave();
    const before = asked;
    await vi.advanceTimersByTimeAsync(600_000);
    expect(asked).toBe(before);
    expect(stream.state).toBe("idle");
  });
});

describe("asking again", () => {
  it("waits for the answer, and then asks once for all that came meanwhile", async () => {
    const answers: (() => void)[] = [];
    const ask = oneAtATime(() => new Promise<void>((resolve) => answers.push(resolve)));
    for (let time = 0; time < 5; time++) ask();
    expect(answers).toHaveLength(1);
    answers[0]?.();
    await vi.waitFor(() => expect(answers).toHaveLength(2));
    answers[1]?.();
    await Promise.resolve();
    expect(answers).toHaveLength(2);
  });

  it("leaves nothing on the signal of a stream that broke often", async () => {
    vi.useFakeTimers();
    const add = vi.spyOn(AbortSignal.prototype, "addEventListener");
    const remove = vi.spyOn(AbortSignal.prototype, "removeEventListener");
    const stream = new LiveStream(() => Promise.reject(new Error("away")));
    stream.listen(() => {});
    await vi.advanceTimersByTimeAsync(600_000);
    expect(add.mock.calls.length).toBeGreaterThan(5);
    expect(add.mock.calls.length - remove.mock.calls.length).toBeLessThanOrEqual(1);
    stream.stop();
    vi.useRealTimers();
  });
});

describe("concerns", () => {
  it("fits names and beginnings", () => {
    expect(concerns(new Set(["device.failure"]), ["device.*"])).toBe(true);
    expect(concerns(new Set(["device.failure"]), ["allocation.*"])).toBe(false);
    expect(concerns(new Set([EVERYTHING]), ["allocation.created"])).toBe(true);
  });
});
