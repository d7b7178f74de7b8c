/** Reads server-sent events from a fetch body; keeps nothing but the unfinished line. */

export interface ServerEvent {
  id: string;
  type: string;
  data: string;
}

const LONGEST_LINE = 1_000_000;

/** Cuts arriving text into events (WHATWG HTML, section 9.2.6). */
export class SseParser {
  private rest = "";
  private id = "";
  private type = "";
  private data: string[] = [];

  /** Milliseconds the server asks to wait before coming again; null until it says. */
  retryMs: number | null = null;

  /** Take the next piece of text; return the events it completes. */
  push(text: string): ServerEvent[] {
    const found: ServerEvent[] = [];
    const lines = (this.rest + text).split(/\r\n|\n|\r/);
    this.rest = (lines.pop() ?? "").slice(-LONGEST_LINE);
    for (const line of lines) {
      if (line !== "") this.field(line);
      else if (this.data.length > 0) found.push(this.complete());
      else this.type = "";
    }
    return found;
  }

  private field(line: string): void {
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.data.push(value);
    else if (name === "event") this.type = value;
    else if (name === "id") this.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
  }

  private complete(): ServerEvent {
    const event = { id: this.id, type: this.type || "message", data: this.data.join("\n") };
    this.type = "";
    this.data = [];
    return event;
  }
}

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;

/** How long to wait before attempt `attempt` (from 0): doubling, with a fifth of chance. */
export function backoffMs(attempt: number, chance: number = Math.random()): number {
  const plain = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10));
  return Math.round(plain * (0.9 + 0.2 * chance));
}
