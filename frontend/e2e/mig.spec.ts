import type { APIRequestContext } from "@playwright/test";
import { expect, prefer, test, violations } from "./page";

const BARE = { "X-GPU-Envelope": "false" };

interface Slice {
  profile: string;
  start: number;
  isHeld: boolean;
}

interface Device {
  deviceId: string;
  nodeName: string;
  modelId: string;
  slices: Slice[];
}

async function devices(request: APIRequestContext): Promise<Device[]> {
  const answer = await request.get("/api/v1/gpu/mig/devices", { headers: BARE });
  return (await answer.json()) as Device[];
}

/** A card of seven slices that nobody uses. */
async function unused(request: APIRequestContext): Promise<Device> {
  const found = (await devices(request)).find(
    (one) => /h100|a100/.test(one.modelId) && one.slices.every((slice) => !slice.isHeld),
  );
  if (!found) throw new Error("the demonstration fleet has no unused GPU in MIG mode");
  return found;
}

/** So many 7g.80gb that one must be cut: one more than stand unused. */
async function wanted(request: APIRequestContext): Promise<number> {
  const whole = (await devices(request)).flatMap((one) => one.slices);
  return whole.filter((one) => one.profile === "7g.80gb" && !one.isHeld).length + 1;
}

/** A draft that cuts unused cards only, so that what runs cannot make it stale. */
async function draft(request: APIRequestContext): Promise<string> {
  const data = { demand: { "7g.80gb": await wanted(request) } };
  const answer = await request.post("/api/v1/gpu/mig/plans", { data, headers: BARE });
  expect(answer.status()).toBe(201);
  return ((await answer.json()) as { planId: string }).planId;
}

test("the MIG page asks for its figures and for one page of GPUs, once each", async ({ page }) => {
  const asked: string[] = [];
  page.on("request", (one) => {
    const path = new URL(one.url()).pathname;
    if (path.startsWith("/api/")) asked.push(path);
  });
  await page.goto("/mig");
  await expect(page.getByRole("table", { name: "Layouts of GPUs" })).toBeVisible();
  const data = asked.filter((path) => !/\/(session|events)$/.test(path));
  expect(data.sort()).toEqual(["/api/v1/gpu/mig/devices", "/api/v1/gpu/mig/screen"]);
});

test("every GPU in MIG mode is drawn, and what is drawn can be read aloud", async ({
  page,
  request,
}) => {
  const found = await devices(request);
  await page.goto("/mig");
  const board = page.getByRole("table", { name: "Layouts of GPUs" });
  await expect(board.getByRole("row")).toHaveCount(found.length + 1);
  const cut = found.find((one) => one.slices.length > 0);
  await expect(board.getByRole("img", { name: new RegExp(`^${cut?.deviceId}: `) })).toBeVisible();
});

test("a layout is drawn from legal places only, judged, and applied", async ({ page, request }) => {
  const device = await unused(request);
  await page.goto(`/mig/gpus/${device.deviceId}?layout=none`);
  const proposed = page.getByRole("list", { name: "Proposed" });
  await page.getByRole("button", { name: "Cut 4g.40gb at 0" }).click();
  await expect(proposed).toContainText("4g.40gb");
  await expect(page).toHaveURL(/layout=4g\.40gb/);
  // Beside it neither the whole card nor another left half is legal any more.
  await expect(page.getByRole("button", { name: /^Cut 7g/ })).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Cut 3g.40gb at 0" })).toHaveCount(0);
  await page.getByRole("button", { name: "Cut 3g.40gb at 4" }).click();
  await expect(page.getByText("Nothing more can be cut beside what is drawn.")).toBeVisible();
  await page.getByRole("button", { name: "Remove 3g.40gb at 4" }).click();
  await page.getByRole("button", { name: "Cut 2g.20gb at 4" }).click();
  const change = page.getByRole("region", { name: "What this would change" });
  await expect(change).toContainText("1 × 4g.40gb, 1 × 2g.20gb");
  await change.getByRole("button", { name: "Apply this layout" }).click();
  await expect(page.getByText(`${device.deviceId} has its new layout`)).toBeVisible();
  await expect(page.getByRole("list", { name: "As it is cut" })).toContainText("2g.20gb");
  const after = (await devices(request)).find((one) => one.deviceId === device.deviceId);
  expect(after?.slices.map((one) => [one.profile, one.start])).toEqual([
    ["4g.40gb", 0],
    ["2g.20gb", 4],
  ]);
});

test("slices in use cannot be taken out of a drawing", async ({ page, request }) => {
  const held = (await devices(request)).find((one) => one.slices.some((slice) => slice.isHeld));
  const count = held?.slices.filter((one) => one.isHeld).length ?? 0;
  await page.goto(`/mig/gpus/${held?.deviceId}?layout=none`);
  const proposed = page.getByRole("list", { name: "Proposed" });
  await expect(proposed.locator('[data-state="held"]')).toHaveCount(count);
  await expect(proposed.getByRole("button", { name: /^Remove/ })).toHaveCount(0);
});

test("a plan is previewed, kept, approved and carried out before one's eyes", async ({
  page,
  request,
}) => {
  await page.goto("/mig");
  await page.getByRole("link", { name: "Plan a repack" }).click();
  await page.getByLabel("7g.80gb").fill(String(await wanted(request)));
  await expect(page).toHaveURL(/demand=7g\.80gb/);
  await page.getByRole("button", { name: "Preview" }).click();
  await expect(page.getByText("Everything that is asked for fits")).toBeVisible();
  await expect(page.getByRole("region", { name: "Before and after" })).toBeVisible();
  const before = await (await request.get("/api/v1/gpu/mig/instances")).text();
  await page.getByRole("button", { name: "Keep as a draft" }).click();
  await expect(page).toHaveURL(/\/mig\/plans\//);
  await expect(page.getByText("A draft: nothing has changed.")).toBeVisible();
  expect(await (await request.get("/api/v1/gpu/mig/instances")).text()).toBe(before);
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Confirm" }).click();
  await expect(page.locator(".state-badge", { hasText: "Done" })).toBeVisible({ timeout: 40_000 });
  await expect(page.getByRole("button", { name: /Pause|Give up|Roll back/ })).toHaveCount(0);
});

test("the server filters and sorts the GPUs; the address keeps both", async ({ page, request }) => {
  const found = await devices(request);
  const model = found[0]?.modelId ?? "";
  const of = found.filter((one) => one.modelId === model);
  await page.goto(`/mig?f.modelId=${model}&sort=-strandedUnits`);
  const board = page.getByRole("table", { name: "Layouts of GPUs" });
  await expect(board.getByRole("row")).toHaveCount(of.length + 1);
  await page.getByRole("textbox", { name: "Search Layouts of GPUs" }).fill(of[0]?.deviceId ?? "");
  await expect(board.getByRole("row")).toHaveCount(2);
  await expect(page).toHaveURL(/q=/);
});

test("a plan keeps to a window and to the weight of a team", async ({ page, request }) => {
  const [node = ""] = (await devices(request)).map((one) => one.nodeName);
  await page.goto(`/mig/plan?demand=7g.80gb:${await wanted(request)}`);
  await page.getByRole("button", { name: "Add a team" }).click();
  await page.getByRole("button", { name: "Add a window" }).click();
  await expect(page.getByRole("button", { name: "Preview" })).toBeDisabled();
  await expect(page.getByText("Name a team.")).toBeVisible();
  await page.getByRole("combobox", { name: "Team", exact: true }).fill("llm");
  await page.getByLabel("Times").fill("3");
  await page.getByRole("combobox", { name: "Node", exact: true }).fill(node);
  await page.getByLabel("From").fill("2030-01-05T22:00");
  await page.getByLabel("Until").fill("2030-01-05T21:00");
  await expect(page.getByText("It must end after it begins.")).toBeVisible();
  await page.getByLabel("Until").fill("2030-01-06T02:00");
  await expect(page).toHaveURL(/windows=/);
  const sent = page.waitForRequest((one) => /mig\/plan$/.test(one.url()));
  await page.getByRole("button", { name: "Preview" }).click();
  const body = (await sent).postDataJSON() as Record<string, unknown>;
  expect(body.teamWeights).toEqual({ llm: 3 });
  expect(body.windows).toEqual([
    { nodeName: node, startsAt: "2030-01-05T22:00:00.000Z", endsAt: "2030-01-06T02:00:00.000Z" },
  ]);
  await expect(page.getByRole("region", { name: "Steps" }).first()).toBeVisible();
});

test("a draft is given up, and the list says so", async ({ page, request }) => {
  const planId = await draft(request);
  await page.goto(`/mig/plans/${planId}`);
  await page.getByRole("button", { name: "Give up" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Confirm" }).click();
  await expect(page.getByText("Taken back: the layout is as it was recorded.")).toBeVisible();
  await page.getByRole("link", { name: "Plans" }).click();
  const row = page.getByRole("row", { name: new RegExp(planId.slice(0, 13)) });
  await expect(row).toContainText("Rolled back");
});

test("what the server refuses is put back and told", async ({ page, request }) => {
  const planId = await draft(request);
  await page.goto(`/mig/plans/${planId}`);
  await expect(page.getByRole("button", { name: "Approve" })).toBeVisible();
  const document = { type: "/problems/x", title: "No", status: 409, code: "MIG_PLAN_STALE" };
  await page.route("**/approve", (route) =>
    route.fulfill({
      status: 409,
      contentType: "application/problem+json",
      body: JSON.stringify({ ...document, detail: "a device is not as it was" }),
    }),
  );
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Confirm" }).click();
  await expect(page.getByRole("alert")).toContainText("a device is not as it was");
  await expect(page.getByRole("button", { name: "Approve" })).toBeVisible();
  await request.post(`/api/v1/gpu/mig/plans/${planId}/cancel`);
});

const STATES = {
  RUNNING: { position: 1, message: null, word: "in hand" },
  DONE: { position: 99, message: null, word: "done" },
  FAILED: { position: 0, message: "node n1: nvidia-mig-manager failed", word: "failed here" },
  ROLLED_BACK: { position: -1, message: "taken back", word: "not in effect" },
};

for (const [language, scheme, width] of [
  ["en", "light", 1440],
  ["ko", "dark", 390],
] as const) {
  test(`a plan reads well in every state: ${language}`, async ({ page, request }) => {
    const planId = await draft(request);
    const path = `/api/v1/gpu/mig/plans/${planId}`;
    const plan = (await (await request.get(path, { headers: BARE })).json()) as object;
    await page.setViewportSize({ width, height: 900 });
    await prefer(page, language, scheme);
    for (const [state, { word, ...part }] of Object.entries(STATES)) {
      // Two tasks, whatever the plan has: one may be past and one to come.
      const tasks = [1, 2].map((one) => ({ deed: "cut", node_name: `node-${one}` }));
      const json = { ...plan, state, ...part, tasks, taskCount: 2 };
      await page.route(`**${path}`, (route) => route.fulfill({ json }));
      await page.goto(`/mig/plans/${planId}`);
      await expect(page.locator(".beside .strip").first()).toBeVisible();
      if (language === "en") await expect(page.locator(".tasks")).toContainText(word);
      await expect(page.locator(".mantine-Alert-root", { hasText: /fits|들어갑니다/ })).toHaveCount(
        state === "RUNNING" || state === "DONE" ? 1 : 0,
      );
      expect(await violations(page), state).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(
        width,
      );
      await page.unroute(`**${path}`);
    }
    await request.post(`${path}/cancel`);
  });
}

const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

for (const language of ["en", "ko"]) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const scheme of ["light", "dark"]) {
      const look = `${language}-${size}-${scheme}`;
      test(`MIG reads well: ${look}`, async ({ page, request }) => {
        test.setTimeout(180_000);
        const device = await unused(request);
        const planId = await draft(request);
        const pages = {
          mig: "/mig",
          "mig-plans": "/mig?view=plans",
          "mig-layout": `/mig/gpus/${device.deviceId}?layout=1g.10gb@0`,
          "mig-none": "/mig/gpus/no-such-gpu",
          "mig-plan": "/mig/plan?demand=7g.80gb:9&work=Training,Inference,Development",
          "mig-window":
            "/mig/plan?weights=ml-platform@3&windows=@@,node@2030-01-05T22:00@2030-01-05T21:00",
          "mig-short": "/mig/plan?demand=7g.80gb:99",
          "mig-run": `/mig/plans/${planId}`,
        };
        await page.setViewportSize(viewport);
        await prefer(page, language, scheme);
        for (const [name, path] of Object.entries(pages)) {
          await page.goto(path);
          await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
          await expect(page.locator("#content .mantine-Skeleton-root")).toHaveCount(0);
          await page.evaluate(() => document.fonts.ready);
          expect(await violations(page), name).toEqual([]);
          const width = await page.evaluate(() => document.documentElement.scrollWidth);
          expect(width, `${name} sticks out at the side`).toBeLessThanOrEqual(viewport.width);
        }
        await request.post(`/api/v1/gpu/mig/plans/${planId}/cancel`);
      });
    }
  }
}
