import { expect, prefer, test, violations } from "./page";

const LANGUAGES = { en: "Overview", ko: "개요" };
const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

for (const [language, title] of Object.entries(LANGUAGES)) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const scheme of ["light", "dark"]) {
      const name = `${language}-${size}-${scheme}`;
      test(`the overview reads well: ${name}`, async ({ page }) => {
        await page.setViewportSize(viewport);
        await prefer(page, language, scheme);
        await page.goto("/");
        await expect(page.getByRole("heading", { level: 1, name: title })).toBeVisible();
        await expect(page.locator(".heat canvas")).toBeVisible();
        await expect(page.locator(".chart canvas").first()).toBeVisible();
        await page.evaluate(() => document.fonts.ready);
        expect(await violations(page)).toEqual([]);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        expect(width, "nothing sticks out at the side").toBeLessThanOrEqual(viewport.width);
      });
    }
  }
}
