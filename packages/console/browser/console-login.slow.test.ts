import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { checkSmallAndDark, openConsole, seriousViolations, startConsoleHub, type ConsoleHub } from './console-page.ts';
import { startBrowser } from './lab-page.ts';

let hub: ConsoleHub;
let browser: Browser;
/** A page of another origin that the configuration allows to use the hub. */
let friendUrl: string;

beforeAll(async () => {
  friendUrl = await servePage();
  [hub, browser] = await Promise.all([
    startConsoleHub(
      'serve',
      `allowedOrigins=["${friendUrl}"]`,
      'outgoing.allow=["127.0.0.1:9"]',
      'subscriptions.trustedEndpoints=["http://127.0.0.1:9"]',
    ),
    startBrowser(),
  ]);
});

afterAll(async () => {
  await browser.close();
  await hub.stop();
});

test('nothing is shown before the login; a wrong key is refused in words; a right one opens the console', async () => {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.goto(`${hub.url}/console`);
  expect(await page.locator('h1').textContent()).toBe('Log in to this hub');
  expect(await seriousViolations(page)).toEqual([]);
  expect(await page.getByRole('navigation').count()).toBe(0);
  await page.getByLabel('Key or token').fill('pck_wrong');
  await page.keyboard.press('Enter');
  expect(await page.getByRole('alert').textContent()).toBe('The key is not valid.');
  await page.getByLabel('Key or token').fill(hub.key);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  expect(await page.getByText('Everything is well').textContent()).toContain('the hub stores, delivers, and has room');
  const [cookie] = await context.cookies();
  expect(cookie).toMatchObject({ name: 'polycast-console', httpOnly: true, sameSite: 'Strict' });
  expect(
    await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })),
  ).not.toContain(hub.key.slice(4));
});

test('a login survives a restart of the hub, and ends with a log-out', async () => {
  const { page } = await openConsole(browser, hub, '');
  onTestFinished(() => page.context().close());
  await hub.restart();
  await page.reload();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('heading', { name: 'Log in to this hub' }).waitFor();
});

test('a hub that cannot be reached is said in words, and the pages go on when it is back', async () => {
  const { page } = await openConsole(browser, hub, '');
  const context = page.context();
  onTestFinished(() => context.close());
  // The page has read its values once.
  await page.getByText('Stored events').waitFor();
  await context.route('**/v1/**', (route) => route.abort());
  await page.getByRole('alert').getByText('The hub cannot be reached.').waitFor();
  // The values that were read last stay.
  await page.getByText('Stored events').waitFor();
  const another = await context.newPage();
  await another.goto(`${hub.url}/console/`);
  await another.getByRole('alert').getByText('The hub cannot be reached.').waitFor();
  await context.unroute('**/v1/**');
  await another.getByRole('heading', { name: 'Overview' }).waitFor();
  await expect.poll(() => page.getByRole('alert').count()).toBe(0);
});

test('a page that only listens shows the login when its key is revoked', async () => {
  const { id, key } = await hub.administer<{ id: string; key: string }>('POST', '/v1/keys', {
    name: 'follower',
    scopes: { admin: ['>'], subscribe: ['>'] },
  });
  const { page } = await openConsole(browser, { url: hub.url, key }, '#/follow?channels=news.>');
  onTestFinished(() => page.context().close());
  await page.getByText(/^Waiting for the first event \(open/).waitFor();
  await hub.administer('DELETE', `/v1/keys/${id}`);
  await page.getByRole('heading', { name: 'Log in to this hub' }).waitFor();
});

test('the first load is below 150 kB with gzip, and comes from the hub alone', async () => {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const bodies: Promise<Buffer>[] = [];
  const origins = new Set<string>();
  page.on('response', (response) => {
    origins.add(new URL(response.url()).origin);
    // A picture may still arrive when the test ends.
    if (response.url().includes('/console/')) bodies.push(response.body().catch(() => Buffer.alloc(0)));
  });
  await page.goto(`${hub.url}/console/`, { waitUntil: 'load' });
  await page.getByLabel('Key or token').waitFor();
  const sizes = (await Promise.all(bodies)).map((body) => gzipSync(body).length);
  expect(sizes.length).toBeGreaterThan(2);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000);
  expect([...origins]).toEqual([hub.url]);
});

test('another origin acts neither with the cookie nor in a frame, even one that may use the hub', async () => {
  const { page } = await openConsole(browser, hub, '');
  const context = page.context();
  onTestFinished(() => context.close());
  const friend = await context.newPage();
  await friend.goto(friendUrl);
  const attempts = await friend.evaluate(attack, hub.url);
  expect(attempts).toEqual({ read: 401, create: 401, logOut: 204, noCors: expect.any(String), frame: 'empty' });
  const target = `${hub.url}/v1/channels/attack/events`;
  const answered = friend.waitForResponse(target);
  await friend.evaluate(submitForm, target);
  await answered;
  // The administrator is still logged in, and nothing has been created or published.
  await page.reload();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  const { keys } = await hub.administer<{ keys: readonly unknown[] }>('GET', '/v1/keys');
  expect(keys).toHaveLength(1);
  const { channels } = await hub.administer<{ channels: readonly unknown[] }>('GET', '/v1/channels?match=attack');
  expect(channels).toEqual([]);
});

test('the overview says first what is unhealthy, draws what has happened, and keeps it across a restart', async () => {
  const { page, errors } = await openConsole(browser, hub, '#/overview?range=5m');
  onTestFinished(() => page.context().close());
  // Nothing listens at this port, and nothing is retried.
  await hub.administer('POST', '/v1/subscriptions', {
    channels: ['broken.>'],
    delivery: { kind: 'webhook', url: 'http://127.0.0.1:9/', retryDelaysSeconds: [] },
  });
  await hub.administer('POST', '/v1/channels/broken.1/events', 'lost');
  for (let count = 0; count < 40; count++) await hub.administer('POST', '/v1/channels/orders.1/events', { count });
  const eventsIn = page.getByRole('figure').filter({ hasText: 'Events in' });
  const peak = async (): Promise<void> =>
    expect(await eventsIn.getByRole('img').getAttribute('aria-label')).toMatch(/to [1-9][\d.]*\/s/);
  await vi.waitFor(peak, { timeout: 20_000 });
  const first = page.locator('main > *:not(header)').first();
  await expect.poll(() => first.textContent()).toContain('Watch1 event became dead letters lately.');
  await page.getByRole('link', { name: 'Subscriptions' }).last().focus();
  await hub.restart();
  await page.reload();
  await vi.waitFor(peak);
  await page.getByRole('button', { name: '7 days' }).click();
  expect(page.url()).toContain('range=7d');
  // While the hub ends, it answers with 503, or not at all.
  expect(errors.filter((text) => !/ERR_|status of 503/.test(text))).toEqual([]);
  await checkSmallAndDark(page);
});

test('everything is reached by keyboard: the menu, the pages, the range', async () => {
  const { page } = await openConsole(browser, hub, '', { viewport: { width: 390, height: 844 } });
  onTestFinished(() => page.context().close());
  const press = async (name: string, key: string): Promise<void> => {
    for (let tabs = 0; tabs < 30; tabs++) {
      await page.keyboard.press('Tab');
      if ((await page.evaluate(() => document.activeElement?.textContent)) === name) return page.keyboard.press(key);
    }
    throw new Error(`${name} cannot be reached`);
  };
  // The page takes the focus to its heading, once: a key before that could go astray.
  await page.locator('main h1:focus').waitFor();
  await press('Menu', 'Enter');
  await press('Channels', 'Enter');
  await page.getByRole('heading', { name: 'Channels' }).waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Channels');
});

/** What a page of another origin may try with the browser of a logged-in administrator. */
async function attack(url: string): Promise<object> {
  const create = { name: 'attack', scopes: { admin: ['>'] } };
  const json = { 'Content-Type': 'application/json' };
  const statusOf = (path: string, init: RequestInit): Promise<number | string> =>
    fetch(url + path, { credentials: 'include', ...init }).then(({ status }) => status, String);
  const read = await statusOf('/v1/keys', {});
  const made = await statusOf('/v1/keys', { method: 'POST', headers: json, body: JSON.stringify(create) });
  const logOut = await statusOf('/v1/console/session', { method: 'DELETE' });
  const noCors = await fetch(`${url}/v1/channels/attack/events`, {
    method: 'POST',
    mode: 'no-cors',
    credentials: 'include',
    body: 'x',
  }).then(() => 'sent', String);
  const frame = document.createElement('iframe');
  frame.src = `${url}/console/`;
  document.body.append(frame);
  await new Promise((resolve) => (frame.onload = resolve));
  const shown = frame.contentDocument === null ? 'empty' : 'readable';
  return { read, create: made, logOut, noCors, frame: shown };
}

function submitForm(action: string): void {
  const frame = document.createElement('iframe');
  frame.name = 'target';
  const form = document.createElement('form');
  Object.assign(form, { action, method: 'post', target: 'target', enctype: 'text/plain' });
  document.body.append(frame, form);
  form.submit();
}

async function servePage(): Promise<string> {
  const server = createServer((_request, response) =>
    response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>shop</title>'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
