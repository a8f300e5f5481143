import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../conformance/kit/wait.ts';
import { startExample, type RunningExample } from '../kit/start-example.ts';
import { openPage, overflow, startBrowser } from '../kit/testing/browser.ts';
import { count, milliseconds, percentile, recordMeasurements, type Row } from '../kit/testing/measurements.ts';
import { measureLoad, type Load, type Transport } from './load.ts';

let example: RunningExample;
let browser: Browser;

beforeAll(async () => {
  [example, browser] = await Promise.all([startExample('order-status'), startBrowser()]);
});

afterAll(async () => {
  await browser.close();
  await example.stop();
});

test('five transports show every state of an order once, in order, through a cut network and a killed hub', async () => {
  const { page, errors } = await openPage(browser, example.url);
  await page.click('#order');
  await until('all have shown two states', async () => allHave(await doneSteps(page), 2));
  example.front.cut();
  await example.part('hub').kill('SIGKILL');
  await example.part('hub').start();
  await example.front.mend();
  await until('all have shown seven states', async () => allHave(await doneSteps(page), 7));
  expect(await page.locator('.state').allInnerTexts()).toEqual(Array.from({ length: 5 }, () => 'on its way'));
  expect(errors).toEqual([]);
});

test('a kitchen that is killed continues an order where it was', async () => {
  const answer = await fetch(`${example.url}/api/orders`, { method: 'POST' });
  const { id, states } = (await answer.json()) as { id: string; states: string[] };
  await until('the second state is published', async () => (await statesOf(id)).length >= 2);
  await example.part('kitchen').kill('SIGKILL');
  await example.part('kitchen').start();
  await until('the order is on its way', async () => (await statesOf(id)).at(-1) === 'on its way');
  expect(await statesOf(id)).toEqual(states);
});

test('a courier that is killed gets the states that it missed, in order, and forgets none', async () => {
  const { page } = await openPage(browser, example.url);
  await page.click('#order');
  const courier = '[aria-label="Webhook to the courier"]';
  const done = (): Promise<number> => page.locator(`${courier} .done`).count();
  await until('the courier has two states', async () => (await done()) >= 2);
  await example.part('courier').kill('SIGKILL');
  await until('a page has all states', async () => Math.max(...(await doneSteps(page))) === 7);
  await example.part('courier').start();
  await until('the courier has all states', async () => (await done()) === 7);
});

test('the page is as wide as a phone', async () => {
  const { page } = await openPage(browser, example.url, { width: 390, colorScheme: 'dark' });
  await page.click('#order');
  await until('it shows five transport', async () => (await page.locator('.state').count()) === 5);
  expect(await overflow(page)).toBe(0);
});

const SHORT: Load = { customers: 20, orderMs: 1200, pollIntervalMs: 500 };
const MEASURED: Load = { customers: 1000, orderMs: 12_000, pollIntervalMs: 5000 };
const TRANSPORTS: readonly Transport[] = ['short-poll', 'long-poll', 'sse', 'websocket', 'webhook'];

test('what customers cost by each transport', async () => {
  const isMeasured = process.env['MEASURE'] !== undefined;
  const rows: Row[] = [];
  const add = async (transport: Transport): Promise<void> =>
    void rows.push(await costOf(transport, isMeasured ? MEASURED : SHORT));
  // One after the other, where the numbers count.
  if (isMeasured) for (const transport of TRANSPORTS) await add(transport);
  else await Promise.all(TRANSPORTS.map(add));
  const inOrder = TRANSPORTS.flatMap((transport) => rows.filter((row) => row['transport'] === transport));
  recordMeasurements(import.meta.dirname, inOrder);
});

async function costOf(transport: Transport, load: Load): Promise<Row> {
  const { delaysMs, requests, bytes, hubCpuMs } = await measureLoad(example, transport, load);
  expect(delaysMs).toHaveLength(load.customers * 7);
  return {
    transport,
    'delay p50': milliseconds(percentile(delaysMs, 0.5)),
    'delay p99': milliseconds(percentile(delaysMs, 0.99)),
    requests: count(requests),
    bytes: count(bytes),
    'CPU of the hub': `${(hubCpuMs / 1000).toFixed(1)} s`,
  };
}

/** The number of states that each transport has shown in their order. */
function doneSteps(page: Page): Promise<number[]> {
  return page.$$eval('.steps', (lists) => lists.map((list) => list.querySelectorAll('.done').length));
}

/** False while the page has not begun to show the order. */
function allHave(done: readonly number[], steps: number): boolean {
  return done.length === TRANSPORTS.length && done.every((count) => count >= steps);
}

async function statesOf(id: string): Promise<string[]> {
  const answer = await fetch(`${example.url}/v1/events?channel=orders.${id}&after=earliest`);
  const { events } = (await answer.json()) as { events: { data: { state: string } }[] };
  return events.map(({ data }) => data.state);
}
