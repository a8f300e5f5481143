import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { atExit } from '../../conformance/kit/at-exit.ts';
import { firstKey } from '../../conformance/identity/kit/keys.ts';
import { startHubProcess, type HubProcess } from '../../conformance/kit/hub-process.ts';
import { unusedPort } from '../../scripts/unused-port.ts';
import { until } from '../../conformance/kit/wait.ts';
import { openPage, startBrowser } from '../kit/testing/browser.ts';

const SECRET = 'only Laravel and the hub know this secret';
/** Debian 12 has packages of Laravel. Elsewhere its test is skipped. */
const hasLaravel = existsSync('/usr/share/php/Illuminate/Broadcasting/autoload.php');
if (!hasLaravel) console.warn('skipped: Laravel is not installed (php-illuminate-broadcasting, php-illuminate-http)');

let hub: HubProcess;
let key: string;
let laravel: PhpServer;
let wordpress: PhpServer;

beforeAll(async () => {
  const port = await unusedPort();
  hub = await startHubProcess({
    config: {
      access: 'rules',
      allowedOrigins: [`http://127.0.0.1:${port}`],
      identity: { tokens: [{ issuer: 'laravel', keys: [{ algorithm: 'HS256', secret: SECRET }] }] },
      rules: [{ pattern: 'site.posts', subscribe: ['anyone'], history: ['anyone'] }],
    },
  });
  key = await firstKey(hub);
  wordpress = await startPhp('wordpress.php', port);
  laravel = await startPhp('laravel.php', await unusedPort());
});

afterAll(async () => {
  laravel.stop();
  wordpress.stop();
  await hub.end('SIGTERM');
});

interface PhpServer {
  readonly url: string;
  readonly log: () => string;
  stop(): void;
}

async function startPhp(script: string, port: number): Promise<PhpServer> {
  const php = spawn('php', ['-S', `127.0.0.1:${port}`, join(import.meta.dirname, 'testing', script)], {
    env: { ...process.env, POLYCAST_URL: hub.url, POLYCAST_KEY: key, POLYCAST_SECRET: SECRET },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  atExit(() => void php.kill('SIGKILL'));
  let log = '';
  php.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  await until('PHP listens', () => log.includes('started'));
  return { url: `http://127.0.0.1:${port}`, log: () => log, stop: () => void php.kill('SIGKILL') };
}

function post(url: string, body: Readonly<Record<string, string>>, user?: number): Promise<Response> {
  const headers = { 'Content-Type': 'application/json', ...(user !== undefined && { 'X-User': String(user) }) };
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
}

async function eventsOf(channel: string, credentials: string): Promise<readonly unknown[]> {
  const headers = { Authorization: `Bearer ${credentials}` };
  const response = await fetch(`${hub.url}/v1/events?channel=${channel}&after=earliest`, { headers });
  return ((await response.json()) as { events?: unknown[] }).events ?? [`refused with ${response.status}`];
}

test.skipIf(!hasLaravel)('a broadcast of Laravel is an event, and routes/channels.php says who reads it', async () => {
  const paid = await post(`${laravel.url}/pay`, { order: '7' });
  expect([paid.status, await paid.text()]).toEqual([200, 'null']);
  const event = { channel: 'private-orders.7', type: 'OrderPaid', data: { order: 7, total: '42.00' } };
  expect(await eventsOf('private-orders.7', key)).toMatchObject([event]);
  const allowed = await post(`${laravel.url}/broadcasting/auth`, { channel_name: 'private-orders.7' }, 1);
  const { token } = (await allowed.json()) as { token: string };
  // The token grants one channel, from now on; history needs a rule.
  const waiting = fetch(`${hub.url}/v1/events?channel=private-orders.7&wait=20`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  await until('the poll waits', async () =>
    /transport="long-poll"\} 1$/m.test(await (await fetch(`${hub.url}/metrics`)).text()),
  );
  await post(`${laravel.url}/pay`, { order: '7' });
  expect(await (await waiting).json()).toMatchObject({ events: [event] });
  expect(await eventsOf('private-orders.8', token)).toEqual(['refused with 403']);
  const others = [
    post(`${laravel.url}/broadcasting/auth`, { channel_name: 'private-orders.7' }, 2),
    post(`${laravel.url}/broadcasting/auth`, { channel_name: 'private-orders.8' }, 1),
    post(`${laravel.url}/broadcasting/auth`, { channel_name: 'private-orders.7' }),
  ];
  expect((await Promise.all(others)).map(({ status }) => status)).toEqual([403, 403, 403]);
});

test('a post of WordPress reaches an open page when it is published, and no draft does', async () => {
  const save = async (query: string): Promise<void> => {
    const response = await fetch(`${wordpress.url}/?${query}`, { method: 'POST' });
    expect(await response.text()).toBe('saved');
  };
  const browser = await startBrowser();
  const { page, errors } = await openPage(browser, wordpress.url);
  await until('the page listens', async () =>
    /transport="sse"\} 1$/m.test(await (await fetch(`${hub.url}/metrics`)).text()),
  );
  await save('id=1&old=new&new=draft');
  await save('id=2&old=publish&new=publish&type=page');
  await save('id=1&old=draft&new=publish');
  await until('the page shows it', async () => (await page.textContent('#polycast-news')) === 'New: Bread & butter');
  await save('id=1&old=publish&new=trash');
  await browser.close();
  expect(await eventsOf('site.posts', key)).toMatchObject([
    { type: 'post.published', data: { id: 1, title: 'Bread & butter', url: 'https://blog.example/?p=1' } },
    { type: 'post.removed', data: { id: 1 } },
  ]);
  expect(errors).toEqual([]);
  expect(wordpress.log()).not.toMatch(/PHP (?:Warning|Fatal|Notice|Deprecated)/);
});

test('a hub that is down keeps no author from writing', async () => {
  await hub.end('SIGKILL');
  const response = await fetch(`${wordpress.url}/?id=3&old=draft&new=publish`, { method: 'POST' });
  expect(await response.text()).toBe('saved');
  await until('the log says so', () => wordpress.log().includes('Polycast has not taken the news of post 3'));
  if (!hasLaravel) return;
  const failed = await post(`${laravel.url}/pay`, { order: '7' });
  expect([failed.status, await failed.text()]).toEqual([500, expect.stringContaining('BroadcastException')]);
});
