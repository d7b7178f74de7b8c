import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, prefer, test } from "./page";
import { leavingPort } from "./servers";

const port = leavingPort;
const baseURL = `http://127.0.0.1:${port}`;
const gpuctl = `${process.env.VENV ?? ".venv"}/bin/gpuctl`;
let server: ChildProcess | undefined;

test.use({ baseURL });
test.afterEach(stop);

/** A server of this test's own, on one database however often it starts. */
async function start(): Promise<void> {
  const database = `sqlite:///${join(process.env.E2E_FOLDER ?? "", "reconnect.db")}`;
  const options = ["serve", "--port", String(port), "--database-url", database];
  server = spawn(gpuctl, options, { cwd: "..", stdio: "ignore" });
  await expect
    .poll(
      () =>
        fetch(`${baseURL}/actuator/health`).then(
          ({ ok }) => ok,
          () => false,
        ),
      {
        timeout: 60_000,
      },
    )
    .toBe(true);
}

async function stop(): Promise<void> {
  if (!server || server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, "exit");
  server.kill("SIGKILL");
  await ended;
}

test("a server that dies and comes back is told, and the page goes on by itself", async ({
  page,
  request,
}) => {
  test.setTimeout(180_000);
  await start();
  await prefer(page, "en", "light");
  await page.goto("/admin/teams");
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await page.evaluate(() => Object.assign(window, { isTheSamePage: true }));

  await stop();
  const banner = page.getByText(/No connection to the server since \d/);
  await expect(banner).toBeVisible();
  await expect(page.getByText("Not live", { exact: true })).toBeVisible();
  await expect(page.getByRole("heading", { level: 1, name: "Teams" })).toBeVisible();

  await start();
  await request.post("/api/v1/admin/teams", { data: { teamId: "meanwhile", name: "Meanwhile" } });
  await expect(banner).toBeHidden({ timeout: 60_000 });
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await expect(page.getByText("Meanwhile").first()).toBeVisible();
  expect(await page.evaluate(() => "isTheSamePage" in window)).toBe(true);
});
