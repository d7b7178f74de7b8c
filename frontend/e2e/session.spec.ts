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
