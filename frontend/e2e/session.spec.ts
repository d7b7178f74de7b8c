import { expect, test, violations } from "./page";
import { GUARDED_KEY, guardedPort } from "./servers";

test.use({ baseURL: `http://127.0.0.1:${guardedPort}` });

test("a key lets in, is kept nowhere in the browser, and logging out ends it", async ({
  page,
  context,
}) => {
  await page.goto("/fleet");
  await expect(page.getByRole("button", { name: "Log in" })).toBeDisabled();
  expect(await violations(page)).toEqual([]);
  await page.getByLabel("API key", { exact: true }).fill(GUARDED_KEY);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("navigation", { name: "Navigation" })).toBeVisible();
  const kept = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
  );
  expect(kept).not.toContain(GUARDED_KEY);
  const [cookie] = await context.cookies();
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Lax" });
  await page.getByRole("button", { name: "Account and help" }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await expect(page.getByRole("button", { name: "Log in" })).toBeVisible();
  expect(await context.cookies()).toEqual([]);
});

test("a wrong key is refused in words", async ({ page }) => {
  await page.goto("/");
  await page.getByLabel("API key", { exact: true }).fill("gpum_wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("alert")).toContainText("not valid");
});

test("a session that has ended leads back to the log-in page", async ({ page, context }) => {
  await page.goto("/");
  await page.getByLabel("API key", { exact: true }).fill(GUARDED_KEY);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
  await context.clearCookies();
  await page.evaluate(() => window.dispatchEvent(new Event("visibilitychange")));
  await page.getByText("7 days", { exact: true }).click();
  await expect(page.getByRole("button", { name: "Log in" })).toBeVisible();
});

test("a person sees the own allocations first", async ({ page, request }) => {
  const asAdmin = { authorization: `Bearer ${GUARDED_KEY}` };
  await request.post("/api/v1/gpu/devices", {
    headers: asAdmin,
    data: { nodeName: "e2e-own", modelId: "l4", deviceIndex: 0 },
  });
  const issued = await request.post("/api/v1/admin/api-keys", {
    headers: asAdmin,
    data: { name: `kim-${Date.now()}`, roles: ["USER"], team: "vision", user: "kim" },
  });
  const { key } = await issued.json();
  for (const [podName, wait] of [
    ["runs", false],
    ["waits", true],
  ] as const) {
    const made = await request.post("/api/v1/gpu/allocations", {
      headers: { authorization: `Bearer ${key}` },
      data: {
        namespace: "e2e",
        podName,
        workloadType: "Training",
        requiredMemoryGb: 20,
        wait,
      },
    });
    expect(made.ok(), await made.text()).toBe(true);
  }
  await page.goto("/");
  await page.getByLabel("API key", { exact: true }).fill(key);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByText("Yours, kim")).toBeVisible();
  const rows = page.getByRole("link", { name: /^e2e\// });
  await expect(rows.first()).toHaveText("e2e/waits");
  await expect(rows.nth(1)).toHaveText("e2e/runs");
  expect(await violations(page)).toEqual([]);
  await page.getByRole("link", { name: "Request GPUs" }).click();
  await expect(page).toHaveURL(/allocations\/new/);
});

test("an address that was shared is there after logging in", async ({ page }) => {
  await page.goto("/alerts?tab=rules");
  await page.getByLabel("API key", { exact: true }).fill(GUARDED_KEY);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Alerts" })).toBeVisible();
  await expect(page).toHaveURL(/\/alerts\?tab=rules$/);
});

for (const [language, words] of Object.entries({
  en: ["Credentials are missing or not valid", "Log in on the dashboard", "Dashboard"],
  ko: ["인증 정보가 없거나 올바르지 않습니다", "대시보드에서 로그인한 뒤", "대시보드"],
})) {
  test(`a file that needs logging in first says so: ${language}`, async ({ browser, baseURL }) => {
    const context = await browser.newContext({ locale: language, baseURL });
    const page = await context.newPage();
    const answer = await page.goto("/api/v1/gpu/devices?format=csv");
    expect(answer?.status()).toBe(401);
    await expect(page.getByRole("heading", { level: 1, name: words[0] })).toBeVisible();
    await expect(page.getByText(words[1] ?? "")).toBeVisible();
    expect(await violations(page)).toEqual([]);
    await page.getByRole("link", { name: words[2], exact: true }).click();
    await expect(page).toHaveURL(`${baseURL}/`);
    await context.close();
  });
}
