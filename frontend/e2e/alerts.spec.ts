import type { Page } from "@playwright/test";
import { expect, prefer, test, violations } from "./page";

const WORDS = {
  en: {
    list: "Alerts",
    take: "Take on",
    taken: "You have taken it on",
    silence: "Silence",
    send: "Silence",
    why: "Why",
    for: "For",
    day: "a day",
    done: "The alert is silenced",
    tab: "Silences",
    end: "End now",
    ended: "The silence is over",
  },
  ko: {
    list: "경보",
    take: "맡기",
    taken: "경보를 맡았습니다",
    silence: "알림 끄기",
    send: "끄기",
    why: "이유",
    for: "기간",
    day: "하루",
    done: "알림을 껐습니다",
    tab: "알림 끔",
    end: "지금 끝내기",
    ended: "다시 알립니다",
  },
} as const;

/** A problem that stands for the server's own. */
async function refuse(page: Page, path: string, method: string): Promise<void> {
  await page.route(path, (route) => {
    if (route.request().method() !== method) return route.fallback();
    const problem = { status: 503, code: "BUSY", title: "Busy", detail: "the database is away" };
    return route.fulfill({
      status: 503,
      contentType: "application/problem+json",
      body: JSON.stringify(problem),
    });
  });
}

for (const [language, words] of Object.entries(WORDS)) {
  test(`an alert is silenced for a day, and told of again: ${language}`, async ({ page }) => {
    await prefer(page, language, language === "ko" ? "dark" : "light");
    await page.goto("/alerts?q=GPUTeamCostHigh");
    const table = page.getByRole("table", { name: words.list });
    const team = language === "en" ? "vision-lab" : "recommend";
    const row = table.getByRole("row").filter({ hasText: team });
    await row.getByRole("button", { name: words.silence, exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("combobox", { name: words.for }).click();
    await page.getByRole("option", { name: words.day, exact: true }).click();
    const why = `journey ${language} ${Date.now().toString(36)}`;
    await dialog.getByLabel(words.why).fill(why);
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole("button", { name: words.send, exact: true }).click();
    await expect(page.getByText(words.done)).toBeVisible();
    await page.getByRole("tab", { name: words.tab }).click();
    const silence = page.getByRole("row").filter({ hasText: why });
    await expect(silence).toContainText(team);
    await silence.getByRole("button", { name: words.end }).click();
    await expect(page.getByText(words.ended)).toBeVisible();
    await expect(silence).toHaveCount(0);
  });

  test(`an alert is taken on: ${language}`, async ({ page }) => {
    await prefer(page, language, "light");
    const rule = language === "en" ? "GPUCostThresholdExceeded" : "GPUTeamCostHigh";
    await page.goto(`/alerts?status=firing&q=${rule}`);
    const take = page.getByRole("button", { name: words.take, exact: true });
    await take.first().waitFor();
    const count = await take.count();
    await take.first().click();
    await expect(page.getByText(words.taken)).toBeVisible();
    await expect(take).toHaveCount(count - 1);
  });
}

test("what the server refuses is taken back on the page", async ({ page }) => {
  await prefer(page, "en", "light");
  await refuse(page, "**/api/v1/gpu/alerts/*/acknowledge", "POST");
  await refuse(page, "**/api/v1/gpu/alerts/silences", "POST");
  await page.goto("/alerts?q=serving");
  const row = page.getByRole("table", { name: "Alerts" }).getByRole("row").nth(1);
  await row.getByRole("button", { name: "Take on" }).click();
  await expect(page.getByText("the database is away").first()).toBeVisible();
  await expect(row).toContainText("Firing");
  await row.getByRole("button", { name: "Silence", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Why").fill("to be refused");
  await dialog.getByRole("button", { name: "Silence", exact: true }).click();
  await expect(dialog.getByRole("alert")).toContainText("the database is away");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(row).toContainText("Firing");
});
