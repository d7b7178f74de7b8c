import { expect, prefer, settled, test, violations } from "./page";

const PAGES = {
  allocations: "/allocations",
  request: "/allocations/new?namespace=vision&pod=train-1&memory=80&count=2",
  cost: "/cost?window=14d",
  budgets: "/budgets",
  statements: "/statements",
  rates: "/rates",
  savings: "/savings",
  alerts: "/alerts",
  rules: "/alerts?tab=rules",
  silences: "/alerts?tab=silences",
  channels: "/alerts?tab=channels",
  resources: "/resources",
  pods: "/resources?by=pods",
  teams: "/admin/teams",
  keys: "/admin/keys",
  audit: "/admin/audit",
  settings: "/admin/settings",
  quality: "/admin/quality",
};
const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

for (const language of ["en", "ko"]) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const scheme of ["light", "dark"]) {
      const look = `${language}-${size}-${scheme}`;
      test(`work, money and administration read well: ${look}`, async ({ page }) => {
        test.setTimeout(240_000);
        await page.setViewportSize(viewport);
        await prefer(page, language, scheme);
        for (const [name, path] of Object.entries(PAGES)) {
          await settled(page, path);
          await page.evaluate(() => document.fonts.ready);
          expect(await violations(page), name).toEqual([]);
          const width = await page.evaluate(() => document.documentElement.scrollWidth);
          expect(width, `${name} sticks out at the side`).toBeLessThanOrEqual(viewport.width);
        }
      });
    }
  }
}
