import { expect, prefer, test, violations } from "./page";

test("costs are followed down to an allocation, and the address keeps the way", async ({
  page,
}) => {
  await prefer(page, "en", "light");
  await page.goto("/cost?window=7d");
  const table = page.getByRole("table", { name: "Costs" });
  await table.getByRole("link").first().click();
  await expect(page).toHaveURL(/team=.*aggregate=namespace|aggregate=namespace.*team=/);
  await table.getByRole("link").first().click();
  await expect(page).toHaveURL(/aggregate=user/);
  const deep = page.url();
  await page.goto("/cost");
  await page.goto(deep);
  await expect(page.getByRole("navigation", { name: "The way down" })).toBeVisible();
  await expect(table.getByRole("link").first()).toBeVisible();
  expect(await violations(page)).toEqual([]);
  await page.getByRole("button", { name: "Everything" }).click();
  await expect(page).toHaveURL(/aggregate=namespace|aggregate=team|\/cost(\?window=7d)?$/);
  const csv = await page.getByRole("link", { name: "CSV", exact: true }).getAttribute("href");
  const answer = await page.request.get(csv ?? "");
  expect(answer.headers()["content-type"]).toContain("text/csv");
  expect((await answer.text()).split("\n")[0]).toContain("cost");
});

test("areas of cost lead down by keyboard, and the way is in the address", async ({ page }) => {
  await prefer(page, "ko", "light");
  await page.goto("/cost?window=7d");
  const areas = page.getByRole("group", { name: /비용 면적/ });
  const boxes = areas.getByRole("link");
  await expect(boxes.first()).toBeVisible();
  expect(await violations(page)).toEqual([]);
  await boxes.first().focus();
  await page.keyboard.press("ArrowRight");
  await expect(boxes.nth(1)).toBeFocused();
  const name = (await boxes.nth(1).getAttribute("aria-label")) ?? "";
  const [team, namespace] = name.split(/ › | /);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(new RegExp(`team=${team}&namespace=${namespace}`));
  await page.reload();
  await expect(page.getByRole("navigation", { name: "지금까지 좁힌 조건" })).toContainText(
    namespace ?? "?",
  );
  await page.goto("/cost?window=7d&inner=model");
  await page.getByRole("button", { name: "표로 보기" }).click();
  await expect(page.getByRole("region", { name: "비용 면적" })).toContainText("a100");
});

test("the file of a split says what the table says, used and idle too", async ({ page }) => {
  await prefer(page, "en", "dark");
  await page.goto("/cost?window=lastweek");
  const table = page.getByRole("table", { name: "Costs" });
  await expect(table.getByRole("link").first()).toBeVisible();
  const csv = await page.getByRole("link", { name: "CSV", exact: true }).getAttribute("href");
  const lines = (await (await page.request.get(csv ?? "")).text()).trim().split("\r\n");
  const [head, ...rows] = lines.map((line) => line.split(","));
  const at = (name: string) => head?.indexOf(name) ?? -1;
  for (const row of rows) {
    const shown = table.getByRole("row", { name: row[at("team")] });
    for (const name of ["cost", "usedCost", "idleCost", "unattributedCost"]) {
      const amount = Number(row[at(name)]).toLocaleString("en", {
        style: "currency",
        currency: "USD",
      });
      await expect(shown).toContainText(amount);
    }
  }
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "PNG" }).click();
  expect((await saved).suggestedFilename()).toBe("By-day.png");
});

test("the sums of every split are the same", async ({ page }) => {
  await prefer(page, "en", "light");
  const totals: string[] = [];
  for (const aggregate of ["team", "namespace", "model", "day"]) {
    await page.goto(`/cost?window=lastweek&aggregate=${aggregate}`);
    const spent = page.locator(".figure").first();
    await expect(spent).toContainText("$");
    totals.push((await spent.textContent()) ?? "");
  }
  expect(new Set(totals).size).toBe(1);
});

test("a price is planned and withdrawn", async ({ page }) => {
  await prefer(page, "ko", "light");
  await page.goto("/rates");
  await page.getByRole("button", { name: "가격 설정" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("GPU 모델").fill("l40s");
  await page.getByRole("option", { name: "l40s", exact: true }).click();
  await dialog.getByLabel(/시간당 가격/).fill("1.25");
  await dialog.getByLabel("적용 시작").fill("2099-01-01T00:00");
  expect(await violations(page)).toEqual([]);
  await dialog.getByRole("button", { name: "설정", exact: true }).click();
  await expect(dialog).toBeHidden();
  await page.goto("/rates?f.state=planned&q=l40s");
  await page.getByRole("button", { name: "철회" }).click();
  await expect(page.getByRole("button", { name: "철회" })).toBeHidden();
});

test("a budget is set, changed and removed", async ({ page }) => {
  await prefer(page, "en", "dark");
  await page.goto("/budgets");
  await page.getByRole("button", { name: "Set a budget" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("journey-team");
  await dialog.getByRole("button", { name: "Save" }).click();
  const card = page.getByRole("region", { name: "journey-team" });
  await expect(card).toBeVisible();
  await card.getByRole("button", { name: "Change" }).click();
  await dialog.getByLabel("Warn at (%)").fill("40, 90");
  expect(await violations(page)).toEqual([]);
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(card.getByRole("img")).toHaveAccessibleName(/40 %, 90 %/);
  await card.getByRole("button", { name: "Change" }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await expect(card).toBeHidden();
});

test("a statement leads from the month to a team, and to the page to print", async ({ page }) => {
  await prefer(page, "ko", "light");
  await page.goto("/statements");
  await page.getByRole("table").getByRole("link").first().click();
  await page.getByRole("table").getByRole("link").first().click();
  await expect(page).toHaveURL(/\/statements\/\d{4}-\d{2}\/.+/);
  await expect(page.getByRole("img", { name: /실제로 사용한 몫: 사용/ })).toBeVisible();
  expect(await violations(page)).toEqual([]);
  const paper = await page.getByRole("link", { name: "인쇄용" }).getAttribute("href");
  const printed = await page.request.get(paper ?? "");
  expect(await printed.text()).toContain("GPU 사용 명세서");
});
