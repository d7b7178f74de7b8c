import { expect, prefer, test, violations } from "./page";
import { GUARDED_KEY, visitedPort } from "./servers";

const WORDS = {
  en: {
    newKey: "Issue a key",
    keyName: "Name",
    team: "Team",
    issue: "Issue",
    kept: "I have kept it",
    revoke: "Revoke",
    sure: "Really revoke",
    revoked: "Revoked",
    newTeam: "Add a team",
    id: "Id",
    limit: "GPUs at once",
    save: "Save",
    change: "Change",
    delete: "Delete",
    deleteSure: "Really delete it",
    logIn: "Log in",
    goOn: "Go on without logging in",
    key: "API key",
    account: "Account and help",
    logOut: "Log out",
  },
  ko: {
    newKey: "키 발급",
    keyName: "이름",
    team: "팀",
    issue: "발급",
    kept: "보관했습니다",
    revoke: "폐기",
    sure: "정말 폐기",
    revoked: "폐기됨",
    newTeam: "팀 추가",
    id: "ID",
    limit: "동시 GPU",
    save: "저장",
    change: "변경",
    delete: "삭제",
    deleteSure: "정말 삭제",
    logIn: "로그인",
    goOn: "로그인하지 않고 계속",
    key: "API 키",
    account: "계정과 도움말",
    logOut: "로그아웃",
  },
} as const;

for (const [language, words] of Object.entries(WORDS)) {
  const look = language === "ko" ? "dark" : "light";

  test(`a key is issued, shown once and revoked: ${language}`, async ({ page }) => {
    await prefer(page, language, look);
    const name = `journey-${language}-${Date.now().toString(36)}`;
    await page.goto("/admin/keys");
    await page.getByRole("button", { name: words.newKey }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("textbox", { name: words.keyName }).fill(name);
    await dialog.getByRole("combobox", { name: words.team }).click();
    await page.getByRole("option", { name: "Vision Lab" }).click();
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole("button", { name: words.issue, exact: true }).click();
    const kept = dialog.getByRole("button", { name: words.kept });
    await expect(kept).toBeVisible();
    const secret = (await dialog.locator("pre").textContent()) ?? "";
    expect(secret.length).toBeGreaterThan(20);
    expect(await violations(page)).toEqual([]);
    await kept.click();
    await expect(dialog).toBeHidden();
    const path = "/api/v1/auth/me";
    const asked = { headers: { "X-API-Key": secret } };
    await page.goto(`/admin/keys?q=${name}`);
    const row = page.getByRole("row").filter({ hasText: name });
    expect(await page.content()).not.toContain(secret);
    expect((await page.request.get(path, asked)).ok()).toBe(true);
    await row.getByRole("button", { name: words.revoke, exact: true }).click();
    await row.getByRole("button", { name: words.sure }).click();
    await expect(row).toContainText(words.revoked);
    await expect(row.getByRole("button", { name: words.revoke })).toHaveCount(0);
  });

  test(`a team is added, given a quota and removed: ${language}`, async ({ page }) => {
    await prefer(page, language, look);
    const id = `journey-${language}-${Date.now().toString(36)}`;
    await page.goto("/admin/teams");
    await page.getByRole("button", { name: words.newTeam }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("textbox", { name: words.id }).fill(id);
    await dialog.getByRole("textbox", { name: words.keyName }).fill("여정 Journey");
    await dialog.getByRole("button", { name: words.save }).click();
    await expect(dialog).toBeHidden();
    const row = page.getByRole("row").filter({ hasText: id });
    await row.getByRole("button", { name: words.change }).click();
    await dialog.getByRole("textbox", { name: words.limit }).fill("12.5");
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole("button", { name: words.save }).click();
    await expect(row).toContainText("12.5");
    await row.getByRole("button", { name: words.change }).click();
    await dialog.getByRole("button", { name: words.delete }).click();
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole("button", { name: words.deleteSure }).click();
    await expect(row).toHaveCount(0);
  });
}

test.describe("where everybody may look", () => {
  test.use({ baseURL: `http://127.0.0.1:${visitedPort}` });

  for (const [language, words] of Object.entries(WORDS)) {
    test(`a visitor looks, logs in to do more, and looks again: ${language}`, async ({ page }) => {
      await prefer(page, language, "light");
      await page.goto("/fleet");
      const enter = page.getByRole("button", { name: words.logIn, exact: true });
      await enter.click();
      await page.getByRole("button", { name: words.goOn }).click();
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      expect(await violations(page)).toEqual([]);
      await enter.click();
      await page.getByLabel(words.key, { exact: true }).fill(GUARDED_KEY);
      await page.getByRole("button", { name: words.logIn, exact: true }).click();
      await expect(page.getByRole("link", { name: words.key, exact: false })).toBeVisible();
      await expect(page).toHaveURL(/\/fleet$/);
      await expect(enter).toHaveCount(0);
      await page.getByRole("button", { name: words.account }).click();
      await page.getByRole("menuitem", { name: words.logOut }).click();
      await expect(enter).toBeVisible();
    });
  }

  test("a visitor who may only look is not offered what a key would need", async ({ page }) => {
    await prefer(page, "en", "light");
    await page.goto("/alerts");
    await expect(page.getByRole("tab", { name: "Inbox" })).toBeVisible();
    await expect(page.getByRole("tab", { name: "Channels" })).toHaveCount(0);
    await expect(page.getByRole("link", { name: "API keys" })).toHaveCount(0);
  });
});
