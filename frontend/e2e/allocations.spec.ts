import { expect, prefer, test, violations } from "./page";

const WORDS = {
  en: {
    ask: "Request GPUs",
    fits: "Fits now",
    not: "Does not fit now",
    send: "Request",
    extend: "Extend",
    release: "Release",
    released: "Released",
    list: "Allocations",
  },
  ko: {
    ask: "GPU 요청",
    fits: "지금 가능",
    not: "지금은 불가",
    send: "요청",
    extend: "연장",
    release: "반납",
    released: "반납됨",
    list: "할당",
  },
} as const;

for (const [language, words] of Object.entries(WORDS)) {
  test(`a GPU is asked for, kept longer and given back: ${language}`, async ({ page }) => {
    await prefer(page, language, "light");
    const pod = `journey-${language}-${Date.now().toString(36)}`;
    await page.goto("/allocations");
    await page.getByRole("link", { name: words.ask }).click();
    await expect(page).toHaveURL(/\/allocations\/new/);
    await page.goto(`/allocations/new?namespace=vision&pod=${pod}&memory=16&hours=2`);
    await expect(page.getByText(words.fits, { exact: true })).toBeVisible();
    expect(await violations(page)).toEqual([]);

    await page.getByRole("button", { name: words.send, exact: true }).click();
    await expect(page).toHaveURL(/\/allocations\/[0-9a-f-]{36}$/);
    await expect(page.getByRole("heading", { level: 1, name: pod })).toBeVisible();
    expect(await violations(page)).toEqual([]);

    await page.getByRole("button", { name: words.extend }).click();
    const longer = page.getByRole("dialog");
    await longer.getByRole("button", { name: words.extend }).click();
    await expect(longer).toBeHidden();

    await page.getByRole("button", { name: words.release, exact: true }).click();
    const ending = page.getByRole("dialog");
    await expect(ending).toBeVisible();
    expect(await violations(page)).toEqual([]);
    await ending.getByRole("button", { name: words.release, exact: true }).click();
    await expect(page.getByText(words.released, { exact: true }).first()).toBeVisible();
    await expect(page.getByRole("button", { name: words.extend })).toBeHidden();

    await page.goto(`/allocations?phase=Released&q=${pod}`);
    await expect(page.getByRole("link", { name: pod })).toBeVisible();
  });

  test(`what does not fit says why, before anybody asks: ${language}`, async ({ page }) => {
    await prefer(page, language, "dark");
    await page.goto("/allocations/new?namespace=vision&pod=far-too-large&memory=80&count=64");
    await expect(page.getByText(words.not, { exact: true })).toBeVisible();
    await expect(page.locator(".meter").first()).toBeVisible();
    expect(await violations(page)).toEqual([]);
  });
}

test("a release that the server refuses is taken back on the page", async ({ page }) => {
  await prefer(page, "en", "light");
  await page.goto("/allocations?phase=Allocated");
  await page.locator("table a").first().click();
  await page.route("**/api/v1/gpu/allocations/*", async (route) => {
    if (route.request().method() !== "DELETE") return route.fallback();
    const problem = { status: 503, code: "BUSY", title: "Busy", detail: "the database is away" };
    await route.fulfill({
      status: 503,
      contentType: "application/problem+json",
      body: JSON.stringify(problem),
    });
  });
  await page.getByRole("button", { name: "Release", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Release", exact: true }).click();
  await expect(page.getByText("the database is away")).toBeVisible();
  await expect(page.getByText("Allocated", { exact: true }).first()).toBeVisible();
});
