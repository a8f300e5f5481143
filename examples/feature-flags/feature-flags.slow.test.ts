import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pause, until } from '../../conformance/kit/wait.ts';
import { startExample, type RunningExample } from '../kit/start-example.ts';
import { openPage, overflow, startBrowser } from '../kit/testing/browser.ts';
import { count, milliseconds, percentile, recordMeasurements, type Row } from '../kit/testing/measurements.ts';
import { Flags } from './client/flags.ts';
import { syncByBlockingQuery, syncByPoll, syncByStream } from './client/sync.ts';

const FLAG = 'gift-wrap';
let example: RunningExample;
let browser: Browser;

beforeAll(async () => {
  [example, browser] = await Promise.all([startExample('feature-flags'), startBrowser()]);
});

afterAll(async () => {
  await browser.close();
  await example.stop();
});

test('of two admins who edit at once, the second is told, and sees what the first has saved', async () => {
  const [ada, ben] = await Promise.all([openPage(browser, example.url), openPage(browser, example.url)]);
  await ben.page.selectOption('select', 'Ben');
  // He sees the version from before the change of Ada.
  await ben.page.locator('input[type=range]').first().waitFor();
  await save(ada.page, 60);
  await until('it is saved', async () => (await message(ada.page)).includes('by Ada'));
  await save(ben.page, 10);
  await until('Ben is told', async () => (await message(ben.page)).startsWith('Not saved: Ada has changed it'));
  expect(await ben.page.locator('output').first().innerText()).toBe('60 %');
  await save(ben.page, 70);
  await until('his next edit is saved', async () => (await message(ben.page)).includes('by Ben'));
  for (const title of ['This browser, by stream', 'A server, by blocking query', 'A server, by conditional poll'])
    await until(`${title} shows 70 percent`, async () => Math.abs((await usersOn(ada.page, title)) - 70) <= 12);
  // The browser reports the refusal by itself.
  expect(ben.errors).toEqual([expect.stringContaining('412')]);
  expect(ada.errors).toEqual([]);
});

test('programs and browsers agree on the users for whom a flag is on', async () => {
  const { page } = await openPage(browser, example.url, { width: 390, colorScheme: 'dark' });
  const titles = ['This browser, by stream', 'A server, by blocking query', 'A server, by conditional poll'];
  const squares = (title: string): Promise<boolean[]> =>
    page
      .locator(`[aria-label="${title}"] .users`)
      .first()
      .locator('i')
      .evaluateAll((all) => all.map((each) => each.className === 'on'));
  // A client that polls knows a change of the test before by its next poll.
  await until('all clients show the same 100 users', async () => {
    const [stream = [], ...others] = await Promise.all(titles.map(squares));
    return stream.length === 100 && others.every((other) => other.join() === stream.join());
  });
  expect(await overflow(page)).toBe(0);
});

test('a client that starts without the hub uses the flags that it knew last', async () => {
  const answer = async (): Promise<unknown> => (await fetch(`${example.url}/api/shop?user=user-1`)).json();
  const before = (await answer()) as { blocking: unknown };
  await example.part('hub').kill('SIGKILL');
  await example.part('shop').kill('SIGKILL');
  await example.part('shop').start();
  expect(await answer()).toMatchObject({ blocking: before.blocking });
  // A change that is made meanwhile is stored, and arrives when the hub is back.
  const { version } = await change(90);
  await example.part('hub').start();
  await until('the shop knows the change', async () => {
    const { blocking } = (await answer()) as { blocking: { name: string; version: number }[] };
    return blocking.find(({ name }) => name === FLAG)?.version === version;
  });
});

const POLL_MS = process.env['MEASURE'] === undefined ? 500 : 2000;
const CLIENTS = 20;
const CHANGES = process.env['MEASURE'] === undefined ? 4 : 20;

test('a change reaches all clients at once by stream, and within an interval by poll', async () => {
  const ways = {
    stream: (flags: Flags) => syncByStream(example.url, flags),
    'blocking query': (flags: Flags) => syncByBlockingQuery(example.url, flags, FLAG),
    'conditional poll': (flags: Flags) => syncByPoll(example.url, flags, POLL_MS),
  };
  const rows: Row[] = [];
  for (const [way, sync] of Object.entries(ways)) rows.push({ way, ...(await measure(sync)) });
  recordMeasurements(import.meta.dirname, rows);
});

/** Changes a flag again and again, with twenty clients that follow it in one way. */
async function measure(sync: (flags: Flags) => () => void): Promise<Row> {
  const delaysMs: number[] = [];
  const clients = Array.from({ length: CLIENTS }, () => new Flags({ load: () => null, save: () => {} }));
  const before = example.front.traffic(({ url }) => url?.startsWith('/v1/') === true);
  const ends = clients.map(sync);
  const allHave = (version: number): boolean =>
    clients.every(({ all }) => (all.find(({ name }) => name === FLAG)?.version ?? 0) >= version);
  const first = await change(50);
  await until('all clients have the flag', () => allHave(first.version));
  for (const flags of clients) flags.onChange = ({ changedMs }) => void delaysMs.push(Date.now() - changedMs);
  for (let percent = 0; percent < CHANGES; percent++) {
    // Not in step with the polls.
    await pause((POLL_MS / 3) * ((percent % 3) + 1));
    const { version } = await change(percent);
    await until('all clients have the change', () => allHave(version));
  }
  for (const end of ends) end();
  const { requests, bytes } = example.front.traffic(({ url }) => url?.startsWith('/v1/') === true);
  expect(delaysMs).toHaveLength(CLIENTS * CHANGES);
  return {
    'delay p50': milliseconds(percentile(delaysMs, 0.5)),
    'delay p99': milliseconds(percentile(delaysMs, 0.99)),
    requests: count(requests - before.requests),
    bytes: count(bytes - before.bytes),
  };
}

async function change(percent: number): Promise<{ version: number }> {
  const flags = (await (await fetch(`${example.url}/api/flags`)).json()) as { name: string; version: number }[];
  const version = flags.find(({ name }) => name === FLAG)?.version;
  const answer = await fetch(`${example.url}/api/flags/${FLAG}`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json', 'If-Match': `"${version}"` },
    body: JSON.stringify({ enabled: true, percent, admin: 'Test' }),
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as { version: number };
}

async function save(page: Page, percent: number): Promise<void> {
  await page.locator('input[type=range]').first().fill(String(percent));
  await page.locator('form button').first().click();
}

function message(page: Page): Promise<string> {
  return page.locator('[role=status]').first().innerText();
}

function usersOn(page: Page, title: string): Promise<number> {
  return page.locator(`[aria-label="${title}"] .users`).first().locator('i.on').count();
}
