import { ADDRESSES } from "./addresses";
import { expect, prefer, settled, test } from "./page";

/** The narrowest phone and a display on a wall: nothing sticks out, nothing hides the title. */
const SIZES = { phone: { width: 360, height: 740 }, wall: { width: 2560, height: 1440 } };

for (const [name, viewport] of Object.entries(SIZES)) {
  for (const language of ["en", "ko"]) {
    test(`every page fits a ${name}: ${language}`, async ({ page }) => {
      test.setTimeout(180_000);
      await page.setViewportSize(viewport);
      await prefer(page, language, "light");
      const wrong: string[] = [];
      for (const path of ADDRESSES) {
        await settled(page, path);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        if (width > viewport.width) wrong.push(`${path} is ${width} px wide`);
        const box = await page.getByRole("heading", { level: 1 }).boundingBox();
        if (!box || box.x < 0 || box.x + box.width > viewport.width) wrong.push(`${path}: title`);
      }
      expect(wrong).toEqual([]);
    });
  }
}
