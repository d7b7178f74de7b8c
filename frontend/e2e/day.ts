import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { dayPort, openPort } from "./servers";

const NODES = 1213;
const ROWS = 100;
const HELD = 4_000;

type Json = Record<string, unknown>;

/**
 * Stands before the real server. The stream of events is written here; what the pages then ask
 * for is what the real server answered once, widened to a fleet of 1,213 nodes and changed by
 * every event.
 */
export class Day {
  /** Events told so far. */
  told = 0;
  /** Answers sent since the page was opened. */
  answers = 0;
  /** Streams that have been opened. */
  streams = 0;
  private stream: ServerResponse | null = null;
  private recorded = new Map<string, Json>();
  private readonly server = createServer((asked, answer) => void this.serve(asked, answer));

  open(): Promise<void> {
    return new Promise((resolve) => this.server.listen(dayPort, "127.0.0.1", resolve));
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** Tell `count` events, as the fleet's outbox words them. */
  tell(count: number): void {
    for (let at = 0; at < count; at++) {
      this.told += 1;
      const text = `id: ${this.told}\nevent: ${this.event().type}\ndata: ${JSON.stringify(this.event())}\n\n`;
      this.stream?.write(text);
    }
  }

  /** Break the connection, as networks do. */
  drop(): void {
    this.stream?.destroy();
    this.stream = null;
  }

  /** The pod that the newest event placed. */
  get newestPod(): string {
    return podOf(this.told);
  }

  private event(): Json {
    const node = `openb-node-${String(this.told % NODES).padStart(4, "0")}`;
    const allocationId = idOf(this.told);
    const isEnd = this.told % 2 === 1;
    const isCard = this.told % 50 === 0;
    return {
      id: this.told,
      type: isCard ? "device.state" : isEnd ? "allocation.released" : "allocation.created",
      cluster: "default",
      subjectKind: isCard ? "device" : "allocation",
      subjectId: isCard ? `${node}-GPU-00` : allocationId,
      team: null,
      namespace: "best-effort",
      details: {
        allocatedResource: `${node}-GPU-00`,
        allocationId,
        costPerHour: null,
        message: isEnd ? "released: completed" : `placed on ${node}: ${node}-GPU-00`,
        namespace: "best-effort",
        nodeName: node,
        phase: isEnd ? "Released" : "Allocated",
        podName: podOf(this.told),
        teamId: null,
      },
      createdAt: new Date(Date.UTC(2026, 0, 5) + this.told * 10_000).toISOString(),
    };
  }

  private async serve(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const url = new URL(asked.url ?? "/", "http://day");
    const path = url.pathname.replace("/api/v1/gpu/", "");
    if (path === "events") this.follow(answer);
    else if (path === "overview/screen") this.send(answer, this.overview(await this.first(asked)));
    else if (path === "allocations") {
      const isQueue = url.searchParams.get("phase") === "Pending";
      const rows = isQueue ? [] : this.allocations(await this.first(asked));
      this.send(answer, rows, isQueue ? 0 : HELD);
    } else handOn(asked, answer);
  }

  private follow(answer: ServerResponse): void {
    this.streams += 1;
    answer.writeHead(200, { "Content-Type": "text/event-stream" });
    answer.write(": connected\nretry: 3000\n\n");
    this.stream = answer;
  }

  private send(answer: ServerResponse, body: unknown, total?: number): void {
    const headers = total === undefined ? {} : { "X-Total-Count": String(total) };
    answer.writeHead(200, { "Content-Type": "application/json", ...headers });
    answer.end(JSON.stringify(body), () => {
      this.answers += 1;
    });
  }

  /** What the real server answers to this path the first time. */
  private async first(asked: IncomingMessage): Promise<Json> {
    const path = (asked.url ?? "").split("?")[0] ?? "";
    const known = this.recorded.get(path);
    if (known) return known;
    const real = await fetch(`http://127.0.0.1:${openPort}${asked.url}`, {
      headers: { "X-GPU-Envelope": "false" },
    });
    const found = (await real.json()) as Json;
    this.recorded.set(path, found);
    return found;
  }

  private overview(first: Json): Json {
    const nodes = first.nodes as { utilization: (number | null)[] }[];
    const wide = Array.from({ length: NODES }, (_, at) => ({
      ...nodes[at % nodes.length],
      nodeName: `openb-node-${String(at).padStart(4, "0")}`,
      utilization: nodes[at % nodes.length]?.utilization.map((_, gpu) => (this.told + gpu) % 100),
    }));
    return { ...first, nodes: wide, totalNodes: NODES };
  }

  private allocations(first: Json): Json[] {
    const [template = {}] = first as unknown as Json[];
    return Array.from({ length: ROWS }, (_, at) => ({
      ...template,
      allocationId: idOf(this.told - at),
      podName: podOf(this.told - at),
      conditions: [],
    }));
  }
}

const podOf = (number: number) => `openb-pod-${String(number).padStart(6, "0")}`;
const idOf = (number: number) =>
  `d45a33f4-526b-4e4c-a071-${String(Math.abs(number)).padStart(12, "0")}`;

function handOn(asked: IncomingMessage, answer: ServerResponse): void {
  const to = { host: "127.0.0.1", port: openPort, path: asked.url, method: asked.method };
  const real = request({ ...to, headers: asked.headers }, (got) => {
    answer.writeHead(got.statusCode ?? 502, got.headers);
    got.pipe(answer);
  });
  real.on("error", () => answer.destroy());
  asked.pipe(real);
}
