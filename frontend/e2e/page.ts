import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test as base, expect, type Page } from "@playwright/test";

export { expect, type Page };

const axeSource = readFileSync(
  createRequire(import.meta.url).resolve("axe-core/axe.min.js"),
  "utf8",
);

/**
 * A page that fails its test when it does what ours never may: ask another origin, break the
 * security policy, throw, or write an error to the console.
 */
export const test = base.extend<{ page: Page }>({
  page: async ({ page, baseURL }, use) => {
    const faults: string[] = [];
    const origin = new URL(baseURL ?? "").origin;
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(origin) && !/^(data|blob):/.test(url)) faults.push(`off origin: ${url}`);
    });
    page.on("pageerror", (error) => faults.push(`thrown: ${error.message}`));
    page.on("console", (message) => {
      const text = message.text();
      if (message.type() !== "error" && !/Content Security Policy/.test(text)) return;
      // Answers such as 404 are written to the console by the browser itself; tests judge those.
      if (!/Failed to load resource/.test(text)) faults.push(`console: ${text}`);
    });
    await use(page);
    expect(faults, "what the page did wrong").toEqual([]);
  },
});

/** What axe finds wrong with the page as it stands: WCAG 2.2 A and AA. */
export async function violations(page: Page): Promise<string[]> {
  // By the debugger, which the security policy does not concern.
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
    const axe = (window as unknown as { axe: typeof import("axe-core") }).axe;
    const told = await axe.run(document, { runOnly: { type: "tag", values: tags } });
    return told.violations.map((one) => ({
      id: one.id,
      nodes: one.nodes
        .slice(0, 3)
        .map((node) => `${node.html.slice(0, 160)} — ${node.failureSummary}`),
    }));
  });
  return found.map((one) => `${one.id}: ${one.nodes.join(" | ")}`);
}

/** Set language and theme before the page starts. */
export async function prefer(page: Page, language: string, scheme: string): Promise<void> {
  await page.addInitScript(
    ([one, other]) => {
      localStorage.setItem("gpu.language", one ?? "");
      localStorage.setItem("gpu.scheme", other ?? "");
    },
    [language, scheme],
  );
}

/** Open an address and wait until all that it shows is there. */
export async function settled(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await expect(page.locator("#content .mantine-Skeleton-root")).toHaveCount(0);
}
