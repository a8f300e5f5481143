import { connect } from '@polycast/client';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../conformance/kit/wait.ts';
import { startExample, type RunningExample } from '../kit/start-example.ts';
import { openPage, overflow, startBrowser } from '../kit/testing/browser.ts';
import { count, milliseconds, percentile, recordMeasurements } from '../kit/testing/measurements.ts';

let example: RunningExample;
let browser: Browser;

beforeAll(async () => {
  [example, browser] = await Promise.all([startExample('github-to-phone'), startBrowser()]);
});

afterAll(async () => {
  await browser.close();
  await example.stop();
});

test('a webhook reaches the phone, the worker and the partner; a forged one reaches nobody', async () => {
  const { page, errors } = await openPage(browser, example.url);
  await until('the phone is live', async () => (await page.locator('#transport.good').count()) === 1);
  for (const provider of ['github', 'stripe', 'shopify']) await page.click(`[data-path="${provider}"]`);
  await page.click('.forged');
  await until('three notifications and a build', async () => (await notifications(page)).length === 4);
  expect((await notifications(page)).toSorted()).toEqual(['Build', 'GitHub', 'Shopify', 'Stripe']);
  await until('the partner has the invoice', async () => (await page.locator('#invoices li').count()) === 1);
  await until('all answers are shown', async () =>
    (await page.locator('#answers td:last-child').allInnerTexts()).every((text) => text !== '…'),
  );
  expect((await page.locator('#answers td:last-child').allInnerTexts()).toSorted()).toEqual([
    ...['published', 'published', 'published', 'signature_invalid'],
  ]);
  expect(errors).toEqual([]);
});

test('a hub that is killed loses no webhook and doubles none; the phone that was off gets what it missed', async () => {
  const context = await browser.newContext({ viewport: { width: 390, height: 900 }, colorScheme: 'dark' });
  const page = await context.newPage();
  await page.goto(example.url);
  await until('the phone is live', async () => (await page.locator('#transport.good').count()) === 1);
  // Its cursor is stored when the page goes away.
  await page.goto('about:blank');
  await example.part('hub').kill('SIGKILL');
  const answers = Promise.all(Array.from({ length: 5 }, () => send('github')));
  await until('each delivery has failed once', () => unansweredDeliveries().size === 5);
  await example.part('builder').kill('SIGKILL');
  await example.part('hub').start();
  expect((await answers).map((each) => each.at(-1))).toEqual(Array.from({ length: 5 }, () => 'published'));
  expect((await answers).every((each) => each.includes('no answer'))).toBe(true);
  await example.part('builder').start();
  await page.goto(example.url);
  await until('five issues and five builds', async () => (await notifications(page)).length === 10);
  expect((await notifications(page)).filter((title) => title === 'Build')).toHaveLength(5);
  expect(await page.locator('#missed').innerText()).toMatch(/while the phone was off/);
  expect(await overflow(page)).toBe(0);
  await context.close();
});

test('what a notification costs', async () => {
  const isMeasured = process.env['MEASURE'] !== undefined;
  const total = isMeasured ? 500 : 40;
  const rows = [];
  for (const provider of ['github', 'stripe', 'shopify']) {
    const delays: number[] = [];
    const before = example.front.traffic(({ url }) => url?.startsWith('/v1/events') === true);
    const hub = connect(example.url, { transports: ['sse'] });
    const subscription = hub.subscribe<{ sentMs: number }>(`inbox.${provider}`, ({ data }) =>
      delays.push(Date.now() - data.sentMs),
    );
    await subscription.joined;
    for (let number = 0; number < total; number++) expect(await send(provider)).toEqual(['published']);
    await until('all have arrived', () => delays.length === total);
    const after = example.front.traffic(({ url }) => url?.startsWith('/v1/events') === true);
    hub.close();
    rows.push({
      'webhook of': provider,
      'delay p50': milliseconds(percentile(delays, 0.5)),
      'delay p99': milliseconds(percentile(delays, 0.99)),
      'requests of the phone': count(after.requests - before.requests),
      'bytes per notification': count((after.bytes - before.bytes) / total),
    });
  }
  recordMeasurements(import.meta.dirname, rows);
});

async function send(provider: string): Promise<readonly string[]> {
  const response = await fetch(`${example.url}/api/send/${provider}`, { method: 'POST' });
  return (await response.json()) as string[];
}

/** The numbers of the deliveries to which a provider had no answer. */
function unansweredDeliveries(): ReadonlySet<string> {
  const lines = example
    .part('providers')
    .log()
    .matchAll(/no answer to delivery (\d+)/g);
  return new Set(Array.from(lines, ([, number = '']) => number));
}

/** The titles of the notifications. */
function notifications(page: Page): Promise<string[]> {
  return page.locator('#notifications li b').allInnerTexts();
}
