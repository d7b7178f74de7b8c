import { expect, prefer, test, violations } from "./page";

const GPU = "gpu-h100-02-GPU-03";

test("from the fleet to a node to a GPU and back", async ({ page }) => {
  await page.goto("/fleet");
  await page.getByRole("textbox", { name: /Search/ }).fill("h100-02");
  await expect(page).toHaveURL(/q=h100-02/);
  await page.getByRole("link", { name: "gpu-h100-02", exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name: "gpu-h100-02" })).toBeVisible();
  await page.getByRole("link", { name: GPU }).first().click();
  await expect(page.getByRole("heading", { level: 1, name: GPU })).toBeVisible();
  await expect(page.getByRole("region", { name: "Timeline" })).toBeVisible();
  await page.getByRole("link", { name: "gpu-h100-02", exact: true }).first().click();
  await expect(page).toHaveURL(/\/fleet\/nodes\/gpu-h100-02$/);
});

test("every GPU is one list, drawn only where it is looked at", async ({ page, request }) => {
  const answer = await request.get("/api/v1/gpu/devices?limit=1");
  const total = Number(answer.headers()["x-total-count"]);
  await page.goto("/fleet?view=gpus");
  const table = page.getByRole("table", { name: "GPUs" });
  await expect(table).toHaveAttribute("aria-rowcount", String(total + 1));
  expect(await table.getByRole("row").count()).toBeLessThan(80);
});

test("maintenance begins with a reason and ends again", async ({ page, request }) => {
  const listed = await request.get("/api/v1/gpu/devices?status=AVAILABLE&limit=1", {
    headers: { "X-GPU-Envelope": "false" },
  });
  const [free] = (await listed.json()) as { deviceId: string }[];
  await page.goto(`/fleet/gpus/${free?.deviceId}`);
  await page.getByRole("button", { name: "Start maintenance" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("button", { name: "Confirm" })).toBeDisabled();
  await dialog.getByLabel("Reason").fill("new fan");
  await dialog.getByRole("button", { name: "Confirm" }).click();
  await expect(page.getByText("Why it is not available: new fan")).toBeVisible();
  await page.getByRole("button", { name: "End maintenance" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Confirm" }).click();
  await expect(page.getByRole("button", { name: "Start maintenance" })).toBeVisible();
});

const PAGES = {
  fleet: "/fleet",
  gpus: "/fleet?view=gpus",
  node: "/fleet/nodes/gpu-h100-02",
  gpu: `/fleet/gpus/${GPU}`,
  sliced: "/fleet/gpus/gpu-h100-inf-01-GPU-03",
  register: "/fleet/register",
};
const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

for (const language of ["en", "ko"]) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const scheme of ["light", "dark"]) {
      const look = `${language}-${size}-${scheme}`;
      test(`the fleet reads well: ${look}`, async ({ page }) => {
        test.setTimeout(180_000);
        await page.setViewportSize(viewport);
        await prefer(page, language, scheme);
        for (const [name, path] of Object.entries(PAGES)) {
          await page.goto(path);
          await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
          await expect(page.locator("#content .mantine-Skeleton-root")).toHaveCount(0);
          await page.evaluate(() => document.fonts.ready);
          expect(await violations(page), name).toEqual([]);
          const width = await page.evaluate(() => document.documentElement.scrollWidth);
          expect(width, `${name} sticks out at the side`).toBeLessThanOrEqual(viewport.width);
        }
      });
    }
  }
}
