import { expect, prefer, test } from "./page";

/**
 * The pictures of the documentation. The demonstration moves on, so they are taken only when asked
 * for, on a server that has just started: `E2E_IMAGES=1 make test-e2e`.
 */
test.skip(!process.env.E2E_IMAGES, "pictures are taken when asked for");

const FOLDER = "../docs/images";
const WIDE = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
const PICTURES = {
  "dashboard-main": { path: "/", isWhole: true },
  "dashboard-main-ko": { path: "/", language: "ko", isWhole: true },
  "dashboard-phone-ko": { path: "/", language: "ko", size: PHONE },
  "dashboard-fleet": { path: "/fleet" },
  "dashboard-gpu": { path: "/fleet/gpus/gpu-h100-inf-01-GPU-03" },
  "dashboard-mig": { path: "/mig" },
  "dashboard-allocations": { path: "/allocations" },
  "dashboard-request-ko": {
    path: "/allocations/new?namespace=vision&pod=train-1&memory=80&count=2",
    language: "ko",
  },
  "dashboard-cost": { path: "/cost?window=14d" },
  "dashboard-savings": { path: "/savings" },
  "dashboard-alerts": { path: "/alerts", scheme: "dark" },
};

interface Picture {
  path: string;
  language?: string;
  scheme?: string;
  size?: typeof WIDE;
  isWhole?: boolean;
}

for (const [name, picture] of Object.entries<Picture>(PICTURES)) {
  test(`picture: ${name}`, async ({ page }) => {
    await page.setViewportSize(picture.size ?? WIDE);
    await page.emulateMedia({ reducedMotion: "reduce" });
    await prefer(page, picture.language ?? "en", picture.scheme ?? "light");
    await page.goto(picture.path);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await expect(page.locator("#content .mantine-Skeleton-root")).toHaveCount(0);
    await expect(page.locator("[aria-busy=true]")).toHaveCount(0);
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: `${FOLDER}/${name}.png`, fullPage: picture.isWhole ?? false });
  });
}
