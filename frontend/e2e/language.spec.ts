import { ADDRESSES } from "./addresses";
import { expect, type Page, prefer, settled, test } from "./page";

/** Names of products and commands: they are the same in every language. */
const NAMES = /^(NVIDIA|AMD|Intel) |^gpuctl /;

/** Three English words in a row that a reader of this page sees, outside code and names. */
async function english(page: Page): Promise<string[]> {
  const found = await page.evaluate(() => {
    const words = /[A-Za-z][a-z'’]+(?: [A-Za-z][A-Za-z'’-]*){2,}/;
    const kept = "script, style, noscript, code, pre, kbd, [translate=no], details:not([open])";
    const seen = new Set<string>();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode.textContent ?? "";
      const place = walker.currentNode.parentElement;
      if (words.test(text) && !place?.closest(kept)) seen.add(text.trim());
    }
    for (const name of ["title", "aria-label", "placeholder"]) {
      for (const element of document.querySelectorAll(`[${name}]`)) {
        const text = element.getAttribute(name) ?? "";
        if (words.test(text) && !element.closest(kept)) seen.add(text);
      }
    }
    return [...seen];
  });
  return found.filter((text) => !NAMES.test(text));
}

test("no page speaks English to people who read Korean", async ({ page }) => {
  test.setTimeout(240_000);
  await prefer(page, "ko", "light");
  for (const path of ADDRESSES) {
    await settled(page, path);
    expect(await english(page), path).toEqual([]);
  }
});

test("why a request waits is told in Korean, with its numbers", async ({ page, request }) => {
  const made = await request.post("/api/v1/gpu/allocations", {
    data: {
      namespace: "vision",
      podName: `waits-${Date.now().toString(36)}`,
      workloadType: "Training",
      requiredMemoryGb: 80,
      count: 48,
      wait: true,
    },
  });
  const { allocationId } = await made.json();
  await prefer(page, "ko", "light");
  for (const path of [`/allocations/${allocationId}`, "/allocations", "/"]) {
    await settled(page, path);
    await expect(page.getByText(/GPU별로 부족한 것: .*메모리 부족 \d+/).first()).toBeVisible();
    expect(await english(page), path).toEqual([]);
  }
  await request.delete(`/api/v1/gpu/allocations/${allocationId}`);
});

test("what the server refuses is told in Korean, its own words are a click away", async ({
  page,
}) => {
  await prefer(page, "ko", "light");
  await page.goto("/allocations/nobody");
  const alert = page.getByRole("alert");
  await expect(alert).toContainText("그런 대상이 없습니다");
  await expect(alert.getByText("no allocation has the id nobody")).toBeHidden();
  await alert.getByText("서버 원문 (영어)").click();
  await expect(alert.getByText("no allocation has the id nobody")).toBeVisible();
});
