import { expect, prefer, test } from "./page";

const PATHS = [
  "/",
  "/fleet",
  "/fleet?view=gpus",
  "/fleet/nodes/gpu-h100-02",
  "/fleet/gpus/gpu-h100-02-GPU-03",
  "/fleet/gpus/gpu-h100-inf-01-GPU-03",
  "/fleet/register",
  "/mig",
  "/mig?view=plans",
  "/mig/plan",
  "/mig/gpus/gpu-h100-inf-01-GPU-03",
  "/allocations",
  "/allocations/new?namespace=vision&pod=train-1&memory=80&count=64",
  "/cost",
  "/budgets",
  "/statements",
  "/rates",
  "/savings",
  "/alerts",
  "/alerts?tab=rules",
  "/alerts?tab=channels",
  "/resources",
  "/admin/teams",
  "/admin/keys",
  "/admin/audit",
  "/admin/settings",
  "/admin/quality",
  "/nowhere",
];

/** The narrowest phone and a display on a wall: nothing sticks out, nothing hides the title. */
const SIZES = { phone: { width: 360, height: 740 }, wall: { width: 2560, height: 1440 } };

for (const [name, viewport] of Object.entries(SIZES)) {
  for (const language of ["en", "ko"]) {
    test(`every page fits a ${name}: ${language}`, async ({ page }) => {
      test.setTimeout(180_000);
      await page.setViewportSize(viewport);
      await prefer(page, language, "light");
      const wrong: string[] = [];
      for (const path of PATHS) {
        await page.goto(path);
        const title = page.getByRole("heading", { level: 1 });
        await expect(title).toBeVisible();
        await expect(page.locator("#content .mantine-Skeleton-root")).toHaveCount(0);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        if (width > viewport.width) wrong.push(`${path} is ${width} px wide`);
        const box = await title.boundingBox();
        if (!box || box.x < 0 || box.x + box.width > viewport.width) wrong.push(`${path}: title`);
      }
      expect(wrong).toEqual([]);
    });
  }
}
