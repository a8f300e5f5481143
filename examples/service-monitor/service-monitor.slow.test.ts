import { connect } from '@polycast/client';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { until } from '../../conformance/kit/wait.ts';
import { startExample, type RunningExample } from '../kit/start-example.ts';
import { openPage, overflow, startBrowser } from '../kit/testing/browser.ts';
import { count, milliseconds, percentile, recordMeasurements } from '../kit/testing/measurements.ts';
import type { Overview } from './services/aggregator.ts';

/** The dashboard of five services, while faults are injected and its own parts are killed. */
let shop: RunningExample;
let browser: Browser;

beforeAll(async () => {
  [shop, browser] = await Promise.all([startExample('service-monitor'), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await shop?.stop();
});

test('a service that fails opens its circuits; healed, it closes them; the pages show both', async () => {
  const laptop = await openDashboard(1280, 'light');
  const phone = await openDashboard(390, 'dark');
  await until('all circuits are shown', async () => (await laptop.page.locator('.circuit.closed').count()) === 5);
  await laptop.page.click('button[name=errors-payments]');
  await until('the circuit opens', () => isShown(phone.page, 'storefront → payments', 'open'));
  // On a busy machine another one may open for a moment, by its timeouts. Only this one stays open.
  await until('another one is closed', () => isShown(phone.page, 'storefront → catalog', 'closed'));
  await laptop.page.click('button[name=heal-payments]');
  await laptop.page.click('button[name=delay-delivery]');
  await until('a slow one opens by its timeouts', () => isShown(laptop.page, 'storefront → delivery', 'open'));
  await laptop.page.click('button[name=heal-delivery]');
  for (const name of ['storefront → payments', 'storefront → delivery'])
    await until('it closes again', () => isShown(phone.page, name, 'closed'));
  for (const { page, errors } of [laptop, phone]) {
    expect(await overflow(page)).toBe(0);
    expect(errors).toEqual([]);
  }
});

test('thousands of events a second come in, and at most ten updates a second go out', async () => {
  const viewer = await openStream();
  await until('it has received updates', () => viewer.overviews.length > 20);
  const { bytes } = shop.front.traffic(isStream);
  const from = viewer.overviews.length;
  await until('twenty more have come', () => viewer.overviews.length > from + 20);
  const times = viewer.overviews.slice(from).map(({ atMs }) => atMs);
  // By the clock of the aggregator: a busy machine may deliver two of them together.
  const updates = ((times.length - 1) * 1000) / ((times.at(-1) as number) - (times[0] as number));
  expect(updates).toBeLessThanOrEqual(11);
  const rate = (): number => (viewer.overviews.at(-1) as Overview).eventsPerSecond;
  await until('hundreds of events come in', () => rate() > 100);
  const eventsPerSecond = rate();
  const delays = viewer.delaysMs.slice(from);
  recordMeasurements(import.meta.dirname, [
    {
      viewer: 'SSE',
      'events in': `${count(eventsPerSecond)} /s`,
      'updates out': `${updates.toFixed(1)} /s`,
      'delay p50': milliseconds(percentile(delays, 0.5)),
      'delay p99': milliseconds(percentile(delays, 0.99)),
      requests: '1',
      'bytes of an update': count((shop.front.traffic(isStream).bytes - bytes) / delays.length),
    },
  ]);
});

test('the aggregator and the hub are killed: the page says that it has no data, and goes on by itself', async () => {
  const { page } = await openDashboard(1280, 'light');
  const isLive = async (): Promise<boolean> => (await page.textContent('#freshness')) === 'live';
  await until('it is live', isLive);
  await shop.part('aggregator').kill('SIGKILL');
  await until('it says so', async () => !(await isLive()));
  await shop.part('aggregator').start();
  await until('it is live again', isLive);
  await shop.part('hub').kill('SIGKILL');
  await shop.part('hub').start();
  await until('data flows again', async () => {
    const updates = Number(await page.textContent('#updates'));
    return updates > 0 && (await isLive());
  });
});

function isStream({ url = '' }: { readonly url?: string | undefined }): boolean {
  return url.startsWith('/v1/events');
}

interface Viewer {
  readonly overviews: Overview[];
  readonly delaysMs: number[];
}

/** A viewer without a page. */
async function openStream(): Promise<Viewer> {
  const connection = connect(shop.url, { transports: ['sse'] });
  onTestFinished(() => connection.close());
  const viewer: Viewer = { overviews: [], delaysMs: [] };
  await connection.subscribe<Overview>('circuits', ({ data }) => {
    viewer.overviews.push(data);
    viewer.delaysMs.push(Date.now() - data.atMs);
  }).joined;
  return viewer;
}

async function openDashboard(
  width: number,
  colorScheme: 'light' | 'dark',
): Promise<{ readonly page: Page; readonly errors: string[] }> {
  const opened = await openPage(browser, shop.url, { width, colorScheme });
  onTestFinished(() => opened.page.context().close());
  return opened;
}

async function isShown(page: Page, circuit: string, state: string): Promise<boolean> {
  return (await page.locator(`.circuit.${state}`, { hasText: circuit }).count()) === 1;
}
