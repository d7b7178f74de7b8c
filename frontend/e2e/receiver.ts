import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Receiver {
  /** Where the server under test may post. */
  url: string;
  /** What arrived, the oldest first. */
  bodies: string[];
  /** Answer so from now on. */
  answer: (status: number) => void;
  close: () => Promise<void>;
}

/** A program that takes messages, or refuses them. */
export async function receiver(): Promise<Receiver> {
  let status = 204;
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      if (status < 300) bodies.push(Buffer.concat(parts).toString());
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    bodies,
    answer: (next) => {
      status = next;
    },
    close: () => new Promise((done) => server.close(() => done())),
  };
}
