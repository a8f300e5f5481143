import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startConsoleHub, type ConsoleHub } from './console-page.ts';
import { startBrowser } from './lab-page.ts';

let hub: ConsoleHub;
let browser: Browser;

beforeAll(async () => {
  [hub, browser] = await Promise.all([startConsoleHub('dev'), startBrowser()]);
});

afterAll(async () => {
  await browser.close();
  await hub.stop();
});

test('each chart is drawn in a task of its own, again with other colours, and once only', async () => {
  const page = await newPage();
  await page.addInitScript(countDrawnCharts);
  await page.goto(`${hub.url}/console/`);
  const charts = page.locator('figure.chart');
  const pictures = page.locator('figure.chart canvas');
  await expect.poll(() => pictures.count()).toBeGreaterThan(0);
  const count = await charts.count();
  expect(count).toBe(12);
  await expect.poll(() => pictures.count()).toBe(count);
  expect(await page.evaluate(drawnCharts)).toEqual(Array.from({ length: count }, () => 1));
  await page.getByRole('button', { name: 'Colours: auto' }).click();
  await expect.poll(() => page.evaluate(drawnCharts)).toEqual(Array.from({ length: 2 * count }, () => 1));
  expect(await pictures.count()).toBe(count);
});

test('the numbers do not wait for the code of the charts, and its loss is said in words', async () => {
  const page = await newPage();
  await page.route('**/assets/plot-*', (route) => route.abort());
  await page.goto(`${hub.url}/console/`);
  await page.getByText('Stored events').waitFor();
  await page.getByRole('alert').getByText('The pictures of the charts could not be loaded.').waitFor();
  expect(await page.locator('figure.chart h2').count()).toBe(12);
  await page.unroute('**/assets/plot-*');
  await page.reload();
  await expect.poll(() => page.locator('figure.chart canvas').count()).toBe(12);
});

async function newPage(): Promise<Page> {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  return context.newPage();
}

/** Counts the charts that each task of the page draws: an observer is called after each task. */
function countDrawnCharts(): void {
  const drawn: number[] = [];
  Object.assign(window, { drawn });
  new MutationObserver((changes) => {
    const added = changes.flatMap(({ addedNodes }) => [...addedNodes]);
    const count = added.filter((node) => node instanceof HTMLElement && node.classList.contains('uplot')).length;
    if (count > 0) drawn.push(count);
  }).observe(document, { childList: true, subtree: true });
}

function drawnCharts(): readonly number[] {
  return (window as unknown as { readonly drawn: readonly number[] }).drawn;
}
