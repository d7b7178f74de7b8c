import { expect, prefer, test, violations } from "./page";

const WORDS = {
  en: {
    suggestions: "Suggestions",
    evidence: "Evidence",
    state: "State",
    open: "Open",
    dismiss: "Leave it alone",
    dismissed: "Left alone",
    apply: "Release it",
    applied: "Followed",
    exempt: "Leave alone for a while",
    add: "Leave something alone",
    which: "Which",
    why: "Why",
    send: "Leave alone",
    end: "End now",
    exemptions: "Left alone",
  },
  ko: {
    suggestions: "제안",
    evidence: "근거",
    state: "상태",
    open: "열림",
    dismiss: "그대로 두기",
    dismissed: "유지",
    apply: "반납",
    applied: "반영함",
    exempt: "잠시 예외로 두기",
    add: "예외 추가",
    which: "대상",
    why: "이유",
    send: "예외로 두기",
    end: "지금 끝내기",
    exemptions: "예외",
  },
} as const;

const OPEN = "/savings?suggestions.f.status=open";

for (const [language, words] of Object.entries(WORDS)) {
  const answers = language === "en" ? "dismiss" : "apply";
  test(`a suggestion is looked at and answered by ${answers}: ${language}`, async ({ page }) => {
    await prefer(page, language, language === "ko" ? "dark" : "light");
    await page.goto(OPEN);
    const table = page.getByRole("table", { name: words.suggestions, exact: true });
    const target = await table.getByRole("row").nth(1).getByRole("link").first().textContent();
    await table.getByRole("button", { name: words.evidence }).first().click();
    const dialog = page.getByRole("dialog", { name: target ?? "" });
    await expect(dialog.getByRole("table")).toContainText("%");
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole("button", { name: words[answers], exact: true }).click();
    await expect(dialog).toBeHidden();
    await page.goto(`/savings?suggestions.q=${target}`);
    const word = answers === "apply" ? words.applied : words.dismissed;
    await expect(table.getByRole("row").nth(1)).toContainText(word);
  });

  test(`a team is left alone for a while, and looked at again: ${language}`, async ({ page }) => {
    await prefer(page, language, "light");
    await page.goto("/savings");
    const why = `journey ${language} ${Date.now().toString(36)}`;
    await page.getByRole("button", { name: words.add }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("combobox", { name: words.which }).fill("recommend");
    await dialog.getByLabel(words.why).fill(why);
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole("button", { name: words.send }).click();
    await expect(dialog).toBeHidden();
    const row = page
      .getByRole("table", { name: words.exemptions, exact: true })
      .getByRole("row")
      .filter({ hasText: why });
    await expect(row).toContainText("recommend");
    await row.getByRole("button", { name: words.end }).click();
    await expect(row).toHaveCount(0);
  });
}

test("an answer that the server refuses is taken back on the page", async ({ page }) => {
  await prefer(page, "en", "light");
  await page.goto(OPEN);
  await page.route("**/api/v1/gpu/suggestions/*/dismiss", (route) =>
    route.fulfill({
      status: 503,
      contentType: "application/problem+json",
      body: JSON.stringify({ status: 503, code: "BUSY", title: "Busy", detail: "nobody is home" }),
    }),
  );
  const table = page.getByRole("table", { name: "Suggestions", exact: true });
  const target = await table.getByRole("row").nth(1).getByRole("link").first().textContent();
  await table.getByRole("button", { name: "Evidence" }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: "Leave it alone" }).click();
  await expect(page.getByText("nobody is home")).toBeVisible();
  await expect(table.getByRole("row").filter({ hasText: target ?? "" })).toContainText("Open");
});
