import { expect, prefer, test, violations } from "./page";

test("keys lead everywhere without a mouse", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.keyboard.press("g");
  await page.keyboard.press("f");
  await expect(page).toHaveURL(/\/fleet/);
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  await expect(page).toHaveURL(/:\d+\/$/);
});

test("the search finds a GPU by a part of its name and opens it", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.keyboard.press("/");
  const field = page.getByRole("combobox");
  await expect(field).toBeFocused();
  await field.fill("h100-02-gpu-03");
  const found = page.getByRole("option", { name: /gpu-h100-02-GPU-03/ });
  await expect(found).toBeVisible();
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/fleet\/gpus\/gpu-h100-02-GPU-03/);
});

test("the language changes at once and is remembered", async ({ page }) => {
  await page.goto("/");
  await page.getByText("한국어", { exact: true }).first().click();
  await expect(page.getByRole("heading", { level: 1, name: "개요" })).toBeVisible();
  await expect(page.locator("html")).toHaveAttribute("lang", "ko");
  await page.reload();
  await expect(page.getByRole("heading", { level: 1, name: "개요" })).toBeVisible();
});

test("a Korean browser is spoken to in Korean", async ({ browser, baseURL }) => {
  const context = await browser.newContext({ locale: "ko-KR", baseURL });
  const page = await context.newPage();
  await page.goto("/");
  await expect(page.getByRole("heading", { level: 1, name: "개요" })).toBeVisible();
  await context.close();
});

test("dark is remembered, and there before the first paint", async ({ page }) => {
  await page.goto("/");
  await page.getByRole("button", { name: "Dark" }).click();
  await page.goto("/", { waitUntil: "commit" });
  await expect(page.locator("html")).toHaveAttribute("data-mantine-color-scheme", "dark");
});

test("on a phone the menu opens and leads on", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto("/nowhere");
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("link", { name: "Overview", exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
});

for (const [language, title] of [
  ["en", "Nothing is here"],
  ["ko", "여기에는 아무것도 없습니다"],
] as const) {
  test(`an address that leads nowhere says so: ${language}`, async ({ page }) => {
    await prefer(page, language, "light");
    await page.goto("/nowhere/at/all");
    await expect(page.getByRole("heading", { name: title })).toBeVisible();
    expect(await violations(page)).toEqual([]);
  });
}

test("a server that is away is told, and found again", async ({ page, context }) => {
  let isAway = true;
  await page.route("**/api/v1/session", (route) => (isAway ? route.abort() : route.continue()));
  await page.goto("/");
  await expect(page.getByRole("heading", { name: "The server does not answer" })).toBeVisible({
    timeout: 30_000,
  });
  isAway = false;
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
  await context.clearCookies();
});

test("what was read stays and is called old while the server is away", async ({ page }) => {
  await page.goto("/");
  await expect(page.locator(".heat canvas")).toBeVisible();
  await page.route("**/api/**", (route) => route.abort());
  await page.getByText("30 days", { exact: true }).click();
  await page.getByText("14 days", { exact: true }).click();
  await expect(page.locator(".heat canvas")).toBeVisible();
});

test("the same pages answer under the context path", async ({ page }) => {
  await page.goto("/k8s-monitor/");
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
  await page.keyboard.press("g");
  await page.keyboard.press("f");
  await expect(page).toHaveURL(/\/k8s-monitor\/fleet/);
});

for (const [kind, text, name, address] of [
  ["node", "gpu-h100-02", /^gpu-h100-02/, /\/fleet\/nodes\/gpu-h100-02$/],
  ["team", "vision-lab", /vision-lab/, /\/cost\?.*vision-lab/],
  ["page", "alert", /^Alerts/, /\/alerts$/],
] as const) {
  test(`the search finds a ${kind}`, async ({ page }) => {
    await page.goto("/");
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await page.keyboard.press("/");
    await page.getByRole("combobox").fill(text);
    await page.getByRole("option", { name }).first().click();
    await expect(page).toHaveURL(address);
  });
}

test("the search finds an allocation by its pod", async ({ page, request }) => {
  const listed = await request.get("/api/v1/gpu/allocations?phase=Allocated&limit=1", {
    headers: { "X-GPU-Envelope": "false" },
  });
  const [one] = (await listed.json()) as { allocationId: string; podName: string }[];
  await page.goto("/");
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.keyboard.press("/");
  await page.getByRole("combobox").fill(one?.podName ?? "");
  await page.getByRole("option").filter({ hasText: one?.podName }).first().click();
  await expect(page).toHaveURL(new RegExp(`/allocations/${one?.allocationId}$`));
});

test("the first Tab leads past the menu, the next into the page", async ({ page }) => {
  await page.goto("/fleet");
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.keyboard.press("Tab");
  const skip = page.getByRole("button", { name: "To the content" });
  await expect(skip).toBeFocused();
  await expect(skip).toBeInViewport();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/fleet$/);
  await page.keyboard.press("Tab");
  const isInside = () =>
    document.getElementById("content")?.contains(document.activeElement) ?? false;
  expect(await page.evaluate(isInside)).toBe(true);
});

test("who wants less motion gets none, not even while something loads", async ({ page }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.route("**/overview/screen*", () => {});
  await page.goto("/");
  await expect(page.getByRole("status", { name: "Loading" })).toBeVisible();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
  const moving = () =>
    page.evaluate(
      () => document.getAnimations().filter((one) => one.playState === "running").length,
    );
  await expect.poll(moving).toBe(0);
});

test("no link of the first screen leads nowhere", async ({ page }) => {
  test.setTimeout(120_000);
  await page.goto("/");
  await expect(page.locator(".heat canvas")).toBeVisible();
  const found = await page
    .locator("#content a")
    .evaluateAll((links) => links.map((link) => link.getAttribute("href") ?? ""));
  // One of each kind is enough: /fleet/nodes/a stands for /fleet/nodes/b.
  const kinds = new Map(
    found.map((href) => [href.replace(/[^/]*$/, "").concat(href[1] ?? ""), href]),
  );
  expect(kinds.size).toBeGreaterThan(4);
  for (const href of kinds.values()) {
    await page.goto(href);
    await expect(page.locator("#page-title")).toBeVisible();
  }
});
