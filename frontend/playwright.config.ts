import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "@playwright/test";

const port = Number(process.env.E2E_PORT ?? 18080);
const venv = process.env.VENV ?? ".venv";
const folder = mkdtempSync(join(tmpdir(), "gpu-e2e-"));
const known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = process.env.CHROMIUM ?? known.find((path) => existsSync(path));
const serve = `${venv}/bin/gpuctl serve --fleet demo --port ${port} --database-url sqlite:///${folder}/e2e.db`;

/** A real server with the demonstration fleet; one browser at a time, as machines are small. */
export default defineConfig({
  testDir: "e2e",
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  retries: 0,
  reporter: [["list"]],
  use: {
    baseURL: process.env.E2E_URL ?? `http://127.0.0.1:${port}`,
    launchOptions: { executablePath, args: ["--no-sandbox"] },
    locale: "en-US",
    timezoneId: "UTC",
  },
  webServer: process.env.E2E_URL
    ? undefined
    : {
        command: serve,
        cwd: "..",
        url: `http://127.0.0.1:${port}/actuator/health`,
        timeout: 180_000,
        stdout: "ignore",
        gracefulShutdown: { signal: "SIGTERM", timeout: 10_000 },
      },
});
