import { appRoot } from "./root";
import { backoffMs, type ServerEvent, SseParser } from "./sse";

export type LiveState = "idle" | "connecting" | "live" | "lost";
type Listener = (types: ReadonlySet<string>) => void;

const FLUSH_MS = 1500;
const HIDDEN_FLUSH_MS = 15_000;

/** Every type; told when events may have been missed. */
export const EVERYTHING = "*";

/**
 * One stream of events for the whole page. Listeners get the types that came since the last time,
 * at most every second and a half: a storm of events is one refresh.
 */
export class LiveStream {
  state: LiveState = "idle";
  /** When the connection was lost, in Unix milliseconds; null while it stands. */
  lostAt: number | null = null;
  private readonly listeners = new Set<Listener>();
  private readonly watchers = new Set<() => void>();
  private waiting = new Set<string>();
  private timer: number | undefined;
  private abort: AbortController | null = null;
  private lastId = "";
  private attempt = 0;

  constructor(private readonly open: typeof fetch = (...asked) => fetch(...asked)) {}

  /** Get the types of what happens; the stream runs while anybody listens. */
  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    if (this.abort === null) void this.run();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.stop();
    };
  }

  /** Be called when `state` changes. */
  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  /** End the stream, for instance at log-out. */
  stop(): void {
    this.abort?.abort();
    this.abort = null;
    window.clearTimeout(this.timer);
    this.timer = undefined;
    this.waiting.clear();
    this.become("idle");
  }

  private async run(): Promise<void> {
    const abort = new AbortController();
    this.abort = abort;
    while (this.abort === abort) {
      this.become(this.lostAt === null ? "connecting" : "lost");
      try {
        await this.read(abort.signal);
      } catch {
        // Whatever broke it, the answer is the same: come again later.
      }
      if (this.abort !== abort) return;
      this.lostAt ??= Date.now();
      this.become("lost");
      await pause(backoffMs(this.attempt++), abort.signal);
    }
  }

  private async read(signal: AbortSignal): Promise<void> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (this.lastId) headers["Last-Event-ID"] = this.lastId;
    const answer = await this.open(`${appRoot}/api/v1/gpu/events`, { headers, signal });
    if (!answer.ok || !answer.body) return;
    this.attempt = 0;
    if (this.lostAt !== null) this.note(EVERYTHING);
    this.lostAt = null;
    this.become("live");
    const parser = new SseParser();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const event of parser.push(value)) this.take(event);
    }
  }

  private take(event: ServerEvent): void {
    if (event.id) this.lastId = event.id;
    this.note(event.type);
  }

  private note(type: string): void {
    this.waiting.add(type);
    const wait = document.visibilityState === "hidden" ? HIDDEN_FLUSH_MS : FLUSH_MS;
    this.timer ??= window.setTimeout(() => this.flush(), wait);
  }

  private flush(): void {
    const types = this.waiting;
    this.waiting = new Set();
    this.timer = undefined;
    for (const listener of this.listeners) listener(types);
  }

  private become(state: LiveState): void {
    if (state === "idle") this.lostAt = null;
    if (this.state === state) return;
    this.state = state;
    for (const watcher of this.watchers) watcher();
  }
}

/** Whether one of `types` fits one of `patterns`, such as `allocation.*`. */
export function concerns(types: ReadonlySet<string>, patterns: readonly string[]): boolean {
  if (types.has(EVERYTHING)) return true;
  return [...types].some((type) =>
    patterns.some((one) => (one.endsWith("*") ? type.startsWith(one.slice(0, -1)) : type === one)),
  );
}

/**
 * Do `work` whenever it is asked for, but never twice at once: what is asked for meanwhile is done
 * once, afterwards. Without it, events that come faster than answers would cancel every answer.
 */
export function oneAtATime(work: () => Promise<unknown>): () => void {
  let isBusy = false;
  let isDue = false;
  const ask = async (): Promise<void> => {
    isDue = true;
    if (isBusy) return;
    isBusy = true;
    while (isDue) {
      isDue = false;
      await work();
    }
    isBusy = false;
  };
  return () => void ask();
}

/** Wait; less where the network comes back meanwhile. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      window.clearTimeout(timer);
      window.removeEventListener("online", over);
      signal.removeEventListener("abort", over);
      resolve();
    };
    const timer = window.setTimeout(over, ms);
    window.addEventListener("online", over);
    signal.addEventListener("abort", over);
  });
}

export const liveStream = new LiveStream();
