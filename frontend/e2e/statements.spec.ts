import { expect, prefer, test, violations } from "./page";
import { GUARDED_KEY, guardedPort } from "./servers";

test.use({ baseURL: `http://127.0.0.1:${guardedPort}` });

test("a member finds the months of the own team, and no other team's", async ({
  page,
  request,
}) => {
  const team = "vision-research-and-generative-imaging-laboratory";
  const asAdmin = { authorization: `Bearer ${GUARDED_KEY}` };
  const issued = await request.post("/api/v1/admin/api-keys", {
    headers: asAdmin,
    data: { name: `bill-${Date.now()}`, roles: ["USER"], team, user: "lee" },
  });
  const { key } = await issued.json();
  await prefer(page, "ko", "dark");
  await page.goto("/statements");
  await page.getByLabel("API 키", { exact: true }).fill(key);
  await page.getByRole("button", { name: "로그인" }).click();
  await expect(page.getByRole("link", { name: "명세서", exact: true })).toBeVisible();
  await page.getByRole("table").getByRole("link").first().click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(team);
  await expect(page.getByRole("img", { name: /실제로 사용한 몫/ })).toBeVisible();
  await expect(page.getByRole("link", { name: "CSV" })).toBeVisible();
  expect(await violations(page)).toEqual([]);
  const month = page.url().split("/").at(-2);
  await page.goto(`/statements/${month}/somebody-else`);
  await expect(page.getByRole("alert")).toBeVisible();
});
