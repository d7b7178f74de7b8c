import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "@playwright/test";
import { GUARDED_KEY, guardedPort, openPort, visitedPort } from "./e2e/servers";

const gpuctl = `${process.env.VENV ?? ".venv"}/bin/gpuctl serve`;
const known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = process.env.CHROMIUM ?? known.find((path) => existsSync(path));

// Made once by the process that starts the servers; its workers read this file too.
const folder = process.env.E2E_FOLDER ?? mkdtempSync(join(tmpdir(), "gpu-e2e-"));
process.env.E2E_FOLDER = folder;
mkdirSync(join(folder, "keys"), { recursive: true });
writeFileSync(join(folder, "keys", "admin-api-key"), GUARDED_KEY);

// The tests' own receivers of messages stand on this machine, where none may stand otherwise.
const RECEIVERS =
  "--set alerts.notification.allowed_networks=127.0.0.0/8 --set alerts.notification.allow_http=true";

function server(name: string, port: number, options: string) {
  const database = `sqlite:///${join(folder, `${name}.db`)}`;
  return {
    name,
    command: `exec ${gpuctl} --port ${port} --database-url ${database} ${options}`,
    cwd: "..",
    url: `http://127.0.0.1:${port}/actuator/health`,
    timeout: 240_000,
    stdout: "ignore" as const,
    gracefulShutdown: { signal: "SIGTERM" as const, timeout: 10_000 },
  };
}

/** Real servers: one open with the demonstration fleet, one that asks for a key. */
export default defineConfig({
  testDir: "e2e",
  outputDir: "node_modules/.e2e",
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  forbidOnly: Boolean(process.env.CI),
  reporter: [["list"]],
  use: {
    baseURL: `http://127.0.0.1:${openPort}`,
    launchOptions: { executablePath, args: ["--no-sandbox"] },
    viewport: { width: 1440, height: 900 },
    locale: "en-US",
    timezoneId: "UTC",
  },
  webServer: process.env.E2E_RUNNING
    ? undefined
    : [
        server("open", openPort, `--fleet demo ${RECEIVERS}`),
        server(
          "guarded",
          guardedPort,
          `--set security.mode=enforced --set security.api_keys_dir=${folder}/keys`,
        ),
        server(
          "visited",
          visitedPort,
          "--set security.mode=enforced --set security.anonymous_roles=VIEWER " +
            `--set security.api_keys_dir=${folder}/keys`,
        ),
      ],
});
