import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pause, until } from '../../conformance/kit/wait.ts';
import { startExample, type RunningExample } from '../kit/start-example.ts';
import { openPage, overflow, startBrowser } from '../kit/testing/browser.ts';
import { count, milliseconds, percentile, recordMeasurements, type Row } from '../kit/testing/measurements.ts';

let example: RunningExample;
let browser: Browser;

beforeAll(async () => {
  [example, browser] = await Promise.all([startExample('shop-sync'), startBrowser()]);
  await until('all partners have subscribed', async () => (await partners()).every(({ state }) => state === 'active'));
});

afterAll(async () => {
  await browser.close();
  await example.stop();
});

const ORDERS = 20;
const REFUNDS = 5;

test('a partner that was down for a day gets all that it missed, in order; one that does not answer holds nobody up', async () => {
  await setFault('warehouse', 'down');
  // As slow as a partner can be: it takes requests, and answers none of them.
  example.part('accounting').pause();
  const orders = await sell(ORDERS);
  for (const order of orders.slice(0, REFUNDS)) await post(`/api/shop/refunds/${order}`);
  await post('/api/shop/prices/cake', { cents: 2000 });
  await until(
    'price-watch knows the price',
    async () => (await itemsOf('price-watch'))[0]?.includes('cake 20.00') === true,
  );
  await until('the warehouse is given up for now', async () => (await stateOf('warehouse')) === 'suspended');
  example.part('accounting').resume();
  await until('accounting has all refunds', async () => (await itemsOf('accounting')).length === REFUNDS);
  expect(await itemsOf('warehouse')).toEqual([]);
  await setFault('warehouse', 'none');
  await until('the warehouse has all', async () => (await itemsOf('warehouse')).length === ORDERS + REFUNDS);
  const items = (await itemsOf('warehouse')).toReversed();
  const refunds = orders.slice(0, REFUNDS).map((order) => `order.refunded ${order}`);
  expect(items).toEqual([...orders.map((order) => `order.placed ${order}`), ...refunds]);
  await until('the warehouse is well', async () => (await stateOf('warehouse')) === 'active');
});

test('a shop that is killed after a sale publishes it when it is back', async () => {
  await example.part('hub').kill('SIGKILL');
  const [order] = await sell(1);
  await example.part('shop').kill('SIGKILL');
  await Promise.all([example.part('hub').start(), example.part('shop').start()]);
  await until('the warehouse knows it', async () => (await itemsOf('warehouse')).includes(`order.placed ${order}`));
});

test('a partner stores an event once, however often it is delivered', async () => {
  const names = ['warehouse', 'accounting', 'price-watch'];
  await post('/api/shop/prices/cake', { cents: 1800 });
  await until('price-watch knows it', async () => (await itemsOf('price-watch'))[0]?.includes('cake 18.00') === true);
  // The first replay also has events from before the partners subscribed.
  await replayAll();
  const before = await Promise.all(names.map(itemsOf));
  const requestsBefore = await Promise.all(names.map(requestsOf));
  await replayAll();
  expect(await Promise.all(names.map(itemsOf))).toEqual(before);
  const requests = await Promise.all(names.map(requestsOf));
  for (const [index, items] of before.entries())
    expect(requests[index]).toBeGreaterThanOrEqual((requestsBefore[index] ?? 0) + items.length);
});

test('the page shows what the partners have, at the width of a phone too', async () => {
  const { page, errors } = await openPage(browser, example.url, { width: 390, colorScheme: 'dark' });
  await page.click('text=Sell pretzel');
  await until('the warehouse shows it', async () => {
    const newest = await page.locator('[aria-label=warehouse] li').first().innerText();
    return newest === `order.placed ${(await ordersOfShop())[0]?.id}`;
  });
  expect(await page.locator('[aria-label=warehouse] .badge').innerText()).toBe('active');
  expect(await overflow(page)).toBe(0);
  expect(errors).toEqual([]);
  // A click counts although the page asks for the shop between its begin and its end.
  await page.hover('text=Sell pretzel');
  await page.mouse.down();
  const [other = 0] = await sell(1);
  await until('the page shows the order of another page', async () =>
    (await page.innerText('#orders')).includes(`Order ${other}`),
  );
  await page.mouse.up();
  await until('its own order is placed', async () => ((await ordersOfShop())[0]?.id ?? 0) > other);
  await page.click('text=Portal');
  await until('the portal shows the endpoint', async () =>
    (await page.innerText('body')).includes('/api/warehouse/hook'),
  );
});

const CHANGES = process.env['MEASURE'] === undefined ? 3 : 20;
const POLL_MS = 1000;

test('what webhooks cost, and what polls would have cost', async () => {
  const rows: Row[] = [];
  const orders = await sell(CHANGES);
  const [order = 0] = orders;
  await until('the warehouse has them', async () =>
    (await itemsOf('warehouse')).includes(`order.placed ${orders.at(-1)}`),
  );
  const change = {
    warehouse: () => post('/api/shop/orders/bread'),
    accounting: (index: number) => post(`/api/shop/refunds/${order + index}`),
    'price-watch': (index: number) => post('/api/shop/prices/bread', { cents: 500 + index }),
  };
  for (const [partner, act] of Object.entries(change)) rows.push({ partner, ...(await measure(partner, act)) });
  recordMeasurements(import.meta.dirname, rows);
});

/** Changes at random moments of two seconds each, while a real client polls for the same. */
async function measure(partner: string, act: (index: number) => Promise<unknown>): Promise<Row> {
  const isHook = ({ url }: { url?: string | undefined }): boolean => url?.startsWith(`/api/${partner}/hook`) === true;
  const isPoll = ({ url }: { url?: string | undefined }): boolean => url?.startsWith('/v1/events') === true;
  const { front } = example;
  const [hooksBefore, pollsBefore] = [front.traffic(isHook), front.traffic(isPoll)];
  const poll = startPolls(partner === 'price-watch' ? 'shop.prices' : 'shop.orders');
  const delaysMs: number[] = [];
  for (let index = 0; index < CHANGES; index++) {
    const before = (await itemsOf(partner)).length;
    const startMs = performance.now();
    await act(index);
    await until(`${partner} has it`, async () => (await itemsOf(partner)).length > before);
    delaysMs.push(performance.now() - startMs);
    await pause(CHANGES > 10 ? 2000 : 200);
  }
  clearInterval(poll);
  const [hooks, polls] = [front.traffic(isHook), front.traffic(isPoll)];
  return {
    'delay p50': milliseconds(percentile(delaysMs, 0.5)),
    'delay p99': milliseconds(percentile(delaysMs, 0.99)),
    requests: count(hooks.requests - hooksBefore.requests),
    bytes: count(hooks.bytes - hooksBefore.bytes),
    'requests by polling': count(polls.requests - pollsBefore.requests),
    'bytes by polling': count(polls.bytes - pollsBefore.bytes),
  };
}

/** A conditional poll each second, as a partner without webhooks would do it. */
function startPolls(channel: string): NodeJS.Timeout {
  let [cursor, etag] = ['now', ''];
  const ask = async (): Promise<void> => {
    const headers = { Authorization: `Bearer ${example.key}`, 'If-None-Match': etag };
    const answer = await fetch(`${example.url}/v1/events?channel=${channel}&after=${cursor}`, { headers });
    if (!answer.ok) return;
    ({ cursor } = (await answer.json()) as { cursor: string });
    etag = answer.headers.get('ETag') ?? '';
  };
  // The last one may still be on its way when the example ends.
  const poll = (): void => void ask().catch(() => undefined);
  poll();
  return setInterval(poll, POLL_MS);
}

async function sell(howMany: number): Promise<number[]> {
  const orders: number[] = [];
  for (let index = 0; index < howMany; index++)
    orders.push(((await (await post('/api/shop/orders/bread')).json()) as { id: number }).id);
  return orders;
}

async function ordersOfShop(): Promise<readonly { id: number }[]> {
  return ((await (await fetch(`${example.url}/api/shop`)).json()) as { orders: { id: number }[] }).orders;
}

async function partners(): Promise<readonly { partner: string; state: string }[]> {
  const { partners: all } = (await (await fetch(`${example.url}/api/shop`)).json()) as {
    partners: { partner: string; state: string }[];
  };
  return all.length === 3 ? all : [{ partner: '', state: 'not all are there' }];
}

async function stateOf(name: string): Promise<string | undefined> {
  return (await partners()).find(({ partner }) => partner === name)?.state;
}

interface HubAnswer {
  readonly subscriptions: readonly { readonly id: string }[];
  readonly replays: readonly { readonly done: boolean }[];
}

/** With the key of the hub, as an operator. */
async function askHub(path: string, body?: object): Promise<HubAnswer> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${example.key}` };
  const init = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
  const answer = await fetch(`${example.hub.url}/v1/subscriptions${path}`, init);
  expect(answer.ok).toBe(true);
  return (await answer.json()) as HubAnswer;
}

/** Delivers all events of the log to all partners, again. */
async function replayAll(): Promise<void> {
  const { subscriptions } = await askHub('');
  for (const { id } of subscriptions) await askHub(`/${id}/replay`, { after: 'earliest' });
  for (const { id } of subscriptions)
    await until('all is delivered', async () => (await askHub(`/${id}/replays`)).replays.every(({ done }) => done));
}

async function requestsOf(partner: string): Promise<number> {
  return ((await (await fetch(`${example.url}/api/${partner}`)).json()) as { requests: number }).requests;
}

/** What a partner has stored, newest first. */
async function itemsOf(partner: string): Promise<readonly string[]> {
  return ((await (await fetch(`${example.url}/api/${partner}`)).json()) as { items: string[] }).items;
}

async function setFault(partner: string, fault: string): Promise<void> {
  await post(`/api/${partner}/fault`, { fault });
}

async function post(path: string, body: object = {}): Promise<Response> {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(example.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(answer.ok).toBe(true);
  return answer;
}
