import { type CDPSession, expect, type Page } from "@playwright/test";
import { Day } from "./day";
import { test } from "./page";
import { dayPort } from "./servers";

test.use({ baseURL: `http://127.0.0.1:${dayPort}` });

const HOURS = 24;
const STEPS_PER_HOUR = 12;
const STEP_MS = 3_600_000 / STEPS_PER_HOUR;
/** A day of them: 23 times the busiest day of the openb trace on its 6,212 GPUs (1,461). */
const EVENTS_PER_STEP = 120;
const FLUSH_MS = 1600;
const RECONNECT_MS = 2500;

interface Weight {
  heapMb: number;
  nodes: number;
  listeners: number;
}

const day = new Day();
test.beforeAll(() => day.open());
test.afterAll(() => day.close());

/** What the page weighs once everything it no longer needs is thrown away. */
async function weigh(session: CDPSession): Promise<Weight> {
  await session.send("HeapProfiler.collectGarbage");
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  const told = (name: string) => metrics.find((one) => one.name === name)?.value ?? Number.NaN;
  return {
    heapMb: told("JSHeapUsedSize") / 2 ** 20,
    nodes: told("Nodes"),
    listeners: told("JSEventListeners"),
  };
}

function weightAt(weights: Map<number, Weight>, hour: number): Weight {
  const found = weights.get(hour);
  if (!found) throw new Error(`hour ${hour} was not weighed`);
  return found;
}

/** Let one stretch of the day pass: its events come, the page asks again, and time goes on. */
async function pass(page: Page): Promise<void> {
  const before = day.answers;
  day.tell(EVENTS_PER_STEP);
  await expect
    .poll(
      async () => {
        await page.clock.runFor(FLUSH_MS);
        return day.answers;
      },
      { intervals: [5, 5, 10, 20] },
    )
    .toBeGreaterThan(before);
  await page.clock.runFor(STEP_MS - FLUSH_MS);
}

async function reconnect(page: Page): Promise<void> {
  const before = day.streams;
  day.drop();
  await expect
    .poll(
      async () => {
        await page.clock.runFor(RECONNECT_MS);
        return day.streams;
      },
      { intervals: [5, 10, 20] },
    )
    .toBeGreaterThan(before);
}

test("after a day of a busy fleet's events the pages weigh what they weighed before", async ({
  page,
}) => {
  test.setTimeout(300_000);
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  await page.clock.install({ time: new Date("2026-01-05T00:00:00Z") });
  await page.goto("/");
  const menu = page.getByRole("navigation");
  const weights = new Map<number, Weight>();
  for (let hour = 1; hour <= HOURS; hour++) {
    await menu.getByRole("link", { name: "Allocations" }).click();
    await expect(page.getByRole("region", { name: "Allocations" })).toBeVisible();
    for (let step = 0; step < STEPS_PER_HOUR / 2; step++) await pass(page);
    await expect(page.getByRole("link", { name: day.newestPod })).toBeVisible();
    await reconnect(page);
    await menu.getByRole("link", { name: "Overview" }).click();
    await expect(page.locator(".heat canvas")).toBeVisible();
    for (let step = 0; step < STEPS_PER_HOUR / 2; step++) await pass(page);
    if ([2, 12, 24].includes(hour)) weights.set(hour, await weigh(session));
  }
  const [early, noon, late] = [weightAt(weights, 2), weightAt(weights, 12), weightAt(weights, 24)];
  test.info().annotations.push({ type: "weights", description: JSON.stringify([...weights]) });
  expect(day.told).toBe(HOURS * STEPS_PER_HOUR * EVENTS_PER_STEP);
  expect(late.heapMb, "since the second hour").toBeLessThan(early.heapMb * 1.1 + 2);
  expect(late.heapMb, "since noon").toBeLessThan(noon.heapMb + 1);
  expect(late.listeners).toBeLessThanOrEqual(early.listeners);
  // A sentence more or less, such as a longer number cut in two, but no panel or row.
  expect(Math.abs(late.nodes - early.nodes)).toBeLessThan(20);
});
