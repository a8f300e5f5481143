import { existsSync } from 'node:fs';
import { connect, type Connection } from '@polycast/client';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../conformance/kit/wait.ts';
import { startExample, type RunningExample } from '../kit/start-example.ts';
import { openPage, overflow, startBrowser, type OpenPage, type PageOptions } from '../kit/testing/browser.ts';
import { count, milliseconds, percentile, recordMeasurements, type Row } from '../kit/testing/measurements.ts';

const isInstalled = existsSync('/usr/bin/php');
const PASSWORDS = { ada: 'lovelace', ben: 'franklin' } as const;
type User = keyof typeof PASSWORDS;

let example: RunningExample;
let browser: Browser;

beforeAll(async () => {
  if (isInstalled) [example, browser] = await Promise.all([startExample('php-site'), startBrowser()]);
});

afterAll(async () => {
  await browser?.close();
  await example?.stop();
});

describe.skipIf(!isInstalled)('with PHP', () => {
  test('news and letters of a cut network and a killed hub arrive later; a killed site ends no stream', async () => {
    const [ada, ben] = await Promise.all([logIn('ada'), logIn('ben', { width: 390, colorScheme: 'dark' })]);
    await write(ada.page, 'news', 'the bridge is open');
    await shows(ben.page, 'news', 'Ada: the bridge is open');

    await example.part('site').kill('SIGKILL');
    await example.part('site').start();
    await write(ada.page, 'letter', 'dinner at eight?');
    await shows(ben.page, 'letters', 'Ada: dinner at eight?');
    expect(await ada.page.textContent('#letters')).not.toContain('dinner');

    await example.part('hub').kill('SIGKILL');
    await ada.page.fill('#write-news input[name=text]', 'lost?');
    await ada.page.click('#write-news button');
    await ada.page.getByText('This was not sent').waitFor();
    await example.part('hub').start();
    await ada.page.click('[role=alert] a');
    await connected(ada.page);
    await connected(ben.page);
    await write(ada.page, 'news', 'not lost');
    await shows(ben.page, 'news', 'Ada: not lost');
    expect(await ben.page.textContent('#news')).not.toContain('lost?');

    example.front.cut();
    await until('the page notices it', async () => !(await isConnected(ben.page)));
    await fetch(`${example.hub.url}/v1/users/ben/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${example.key}` },
      body: JSON.stringify({ type: 'letter', data: { text: 'are you there?', from: 'Ada' } }),
    });
    await example.front.mend();
    await shows(ben.page, 'letters', 'Ada: are you there?');
    expect(await overflow(ben.page)).toBe(0);
    expect([...ada.errors, ...ben.errors]).toEqual([]);
  });

  test('what news and letters cost', async () => {
    const rows: Row[] = [];
    for (const kind of ['news', 'letter'] as const) rows.push(await measure(kind));
    recordMeasurements(import.meta.dirname, rows);
  });
});

const CLIENTS = 20;
const POSTS = process.env['MEASURE'] === undefined ? 5 : 50;

/** Ada writes again and again; the clients, on streams with Ben's cookie, note when it arrives. */
async function measure(kind: 'news' | 'letter'): Promise<Row> {
  const [{ page: ada }, { page: ben }] = await Promise.all([logIn('ada'), logIn('ben')]);
  const [cookie] = await ben.context().cookies();
  const before = [isOfClients, isQuestion].map((matches) => example.front.traffic(matches));
  const connections = Array.from({ length: CLIENTS }, () => follow(`${cookie?.name}=${cookie?.value}`));
  const delaysMs: number[] = [];
  let sentMs = 0;
  const receive = (): void => void delaysMs.push(performance.now() - sentMs);
  await Promise.all(
    connections.map((hub) => (kind === 'news' ? hub.subscribe('news.>', receive) : hub.me(receive)).joined),
  );
  for (let post = 1; post <= POSTS; post++) {
    sentMs = performance.now();
    await send(ada, kind, `number ${post}`);
    await until('all clients have it', () => delaysMs.length === post * CLIENTS);
  }
  for (const hub of connections) hub.close();
  const after = [isOfClients, isQuestion].map((matches) => example.front.traffic(matches));
  const [streams, questions] = after.map((traffic, index) => ({
    requests: traffic.requests - (before[index]?.requests ?? 0),
    bytes: traffic.bytes - (before[index]?.bytes ?? 0),
  }));
  await Promise.all([ada.context().close(), ben.context().close()]);
  return {
    'sent as': kind,
    'delay p50': milliseconds(percentile(delaysMs, 0.5)),
    'delay p99': milliseconds(percentile(delaysMs, 0.99)),
    requests: count(streams?.requests ?? 0),
    bytes: count(streams?.bytes ?? 0),
    'questions to the site': count(questions?.requests ?? 0),
  };
}

function follow(cookie: string): Connection {
  return connect(example.url, {
    transports: ['sse'],
    fetch: (input, init) => {
      const headers = new Headers(init?.headers);
      headers.set('Cookie', cookie);
      headers.set('X-Measured', 'yes');
      return fetch(input, { ...init, headers });
    },
  });
}

function isOfClients({ headers }: { headers: NodeJS.Dict<string | string[]> }): boolean {
  return headers['x-measured'] !== undefined;
}

function isQuestion({ url }: { url?: string | undefined }): boolean {
  return url === '/polycast/login';
}

/** In a browser profile of its own, with the site's form. */
async function logIn(user: User, options: PageOptions = {}): Promise<OpenPage> {
  const opened = await openPage(browser, example.url, options);
  await opened.page.fill('#login input[name=user]', user);
  await opened.page.fill('#login input[name=password]', PASSWORDS[user]);
  await opened.page.click('#login button');
  await connected(opened.page);
  return opened;
}

/** By any transport: after failures, the client may first take another one. */
async function isConnected(page: Page): Promise<boolean> {
  return ['websocket', 'sse', 'long-poll'].includes((await page.textContent('#state')) ?? '');
}

function connected(page: Page): Promise<void> {
  return until('it is connected', () => isConnected(page));
}

/** By the form, as a visitor does: the page is loaded again. */
async function write(page: Page, kind: 'news' | 'letter', text: string): Promise<void> {
  await page.fill(`#write-${kind} input[name=text]`, text);
  await page.click(`#write-${kind} button`);
  await connected(page);
}

/** The same request, without another page. */
async function send(page: Page, kind: 'news' | 'letter', text: string): Promise<void> {
  const status = await page.evaluate(
    async ([id, value]) => {
      const form = document.querySelector<HTMLFormElement>(id as string) as HTMLFormElement;
      const body = new FormData(form);
      body.set('text', value as string);
      return (await fetch(form.action, { method: 'POST', body, redirect: 'manual' })).type;
    },
    [`#write-${kind}`, text],
  );
  expect(status).toBe('opaqueredirect');
}

function shows(page: Page, list: 'news' | 'letters', text: string): Promise<void> {
  return until(`${list} shows ${text}`, async () => (await page.textContent(`#${list}`))?.includes(text) === true);
}
