import { expect, test } from "./page";

test("the first screen asks once for everything it shows", async ({ page }) => {
  const asked: string[] = [];
  page.on("request", (request) => {
    const path = new URL(request.url()).pathname;
    if (path.startsWith("/api/")) asked.push(path);
  });
  await page.goto("/");
  await expect(page.locator(".chart canvas").first()).toBeVisible();
  const data = asked.filter((path) => !/\/(session|events)$/.test(path));
  expect(new Set(data)).toEqual(new Set(["/api/v1/gpu/overview/screen"]));
});

test("the window is part of the address", async ({ page }) => {
  await page.goto("/");
  await page.getByText("7 days", { exact: true }).click();
  await expect(page).toHaveURL(/days=7/);
  await page.reload();
  await expect(page.getByRole("radio", { name: "7 days" })).toBeChecked();
  const chart = page.getByRole("figure", { name: "What GPUs did, by day" });
  await chart.getByRole("button", { name: "As a table" }).click();
  await expect(chart.getByRole("row")).toHaveCount(8);
});

test("every figure leads to the rows behind it", async ({ page }) => {
  await page.goto("/");
  const figures = page.locator(".figure-link a");
  await expect(figures).toHaveCount(10);
  for (const link of await figures.all()) {
    expect(await link.getAttribute("href")).toMatch(/^\/(fleet|allocations|cost|savings)/);
  }
});

test("the heat map is read with arrow keys, and Enter opens a GPU", async ({ page }) => {
  await page.goto("/");
  const map = page.getByRole("application", { name: /Every GPU, by node/ });
  await map.focus();
  await expect(page.locator(".heat-told")).toContainText("GPU 0");
  await page.keyboard.press("ArrowRight");
  await expect(page.locator(".heat-told")).toContainText("GPU 1");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/fleet\/gpus\/.*-GPU-01/);
});

test("what somebody else does appears by itself", async ({ page, request }) => {
  await page.goto("/");
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  const answered = page.waitForResponse((answer) => answer.url().includes("/overview/screen"));
  const made = await request.post("/api/v1/gpu/allocations", {
    data: {
      namespace: "e2e",
      podName: `live-${Date.now()}`,
      workloadType: "Development",
      requiredMemoryGb: 10,
    },
  });
  const { allocationId } = await made.json();
  await answered;
  await request.delete(`/api/v1/gpu/allocations/${allocationId}`);
});
