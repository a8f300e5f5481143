import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildClient } from '../build.ts';
import { numbers } from '../src/testing/connections.ts';
import { hubForTest, startTestHub, type TestHub } from '../src/testing/hub.ts';
import { startProxy } from '../src/testing/proxy.ts';
import { TOKEN_SETTINGS, tokenOf } from '../src/testing/tokens.ts';
import { contextForTest, launch, openPage, subscribe, untilSeen } from './browser.ts';

let browser: Browser;
let hub: TestHub;
beforeAll(async () => {
  await buildClient();
  [browser, hub] = await Promise.all([launch(), startTestHub()]);
});
afterAll(async () => {
  await browser.close();
  await hub.kill();
});

/** The permissions of the site's own token. */
const SITE = { polycast: { publish: ['polycast.private.>'] } };

async function publish(channel: string, data: readonly unknown[]): Promise<void> {
  for (const each of data) await hub.publish(channel, each);
}

test('the browser’s own EventSource and WebSocket receive events', async () => {
  const page = await openPage(await contextForTest(browser), await startProxy(hub.url));
  await page.evaluate(async () => {
    window.seen = [];
    const keep = ({ data, lastEventId }: MessageEvent<string>): void => {
      const message = JSON.parse(data) as { op?: string; data?: unknown; id?: string };
      if (message.op === undefined) window.seen.push([message.data, lastEventId === '' || lastEventId === message.id]);
    };
    const source = new EventSource('/v1/events?channel=native');
    source.addEventListener('message', keep);
    await new Promise((resolve) => source.addEventListener('polycast.ready', resolve));
    const socket = new WebSocket('/v1/events?channel=native', 'polycast.v1');
    await new Promise((resolve) => socket.addEventListener('message', resolve, { once: true }));
    socket.addEventListener('message', keep);
  });
  await publish('native', [1, 2, 3]);
  const seen = (await untilSeen(page, 6)) as [number, boolean][];
  expect(seen.toSorted()).toEqual([1, 1, 2, 2, 3, 3].map((number) => [number, true]));
});

test('the client of a plain script reads over WebSocket, and publishes', async () => {
  const page = await openPage(await contextForTest(browser), await startProxy(hub.url));
  await subscribe(page, 'plain.>');
  await page.evaluate(() => window.connection.publish('plain.a', { hello: 'world' }));
  expect(await untilSeen(page, 1)).toEqual([{ hello: 'world' }]);
  expect(await page.evaluate(() => window.connection.state)).toMatchObject({ state: 'open', transport: 'websocket' });
});

test('without WebSocket it reads event streams, with buffered streams it polls, and no event is lost', async () => {
  const proxy = await startProxy(hub.url);
  const page = await openPage(await contextForTest(browser), proxy);
  await subscribe(page, 'blocked', { readyTimeoutMs: 5000, heartbeatMarginMs: 300, probeBaseMs: 60_000 });
  await publish('blocked', [1, 2]);
  proxy.blocksWebSockets = true;
  proxy.cut();
  await publish('blocked', [3, 4]);
  await page.waitForFunction(() => window.states.includes('open sse'));
  await publish('blocked', [5, 6]);
  proxy.buffers = true;
  proxy.cut();
  await publish('blocked', [7, 8]);
  await page.waitForFunction(() => window.states.includes('open long-poll'));
  await publish('blocked', [9, 10]);
  expect(await untilSeen(page, 10)).toEqual(numbers(10));
});

test('five tabs share one connection; when the leading tab closes or crashes, another continues without a loss', async () => {
  const proxy = await startProxy(hub.url);
  const context = await contextForTest(browser);
  const pages = await Promise.all(numbers(5).map(() => openPage(context, proxy)));
  for (const page of pages) await subscribe(page, 'tabs', { shared: true });
  await publish('tabs', [1, 2, 3]);
  for (const page of pages) expect(await untilSeen(page, 3)).toEqual(numbers(3));
  expect(proxy.streams()).toBe(1);
  expect(proxy.requests.filter((request) => request.startsWith('UPGRADE'))).toHaveLength(1);

  // The first page requested the lock first, and so leads.
  await pages.shift()?.close();
  await publish('tabs', [4, 5]);
  for (const page of pages) expect(await untilSeen(page, 5)).toEqual(numbers(5));

  const crashing = pages.shift();
  const crashed = crashing?.waitForEvent('crash');
  crashing?.goto('chrome://crash').catch(() => undefined);
  await crashed;
  await publish('tabs', [6, 7]);
  for (const page of pages) expect(await untilSeen(page, 7)).toEqual(numbers(7));
  await expect.poll(() => proxy.streams()).toBe(1);
  for (const page of pages) await expect.poll(() => page.evaluate(() => window.connection.state.transport)).toBe('tab');
});

test('a page that is left and loaded again continues at its position', async () => {
  const page = await openPage(await contextForTest(browser), await startProxy(hub.url));
  await subscribe(page, 'reload', { remember: 'place' });
  await publish('reload', [1, 2]);
  expect(await untilSeen(page, 2)).toEqual([1, 2]);
  const address = page.url();
  await page.goto('about:blank');
  await publish('reload', [3]);
  await page.goto(address);
  await subscribe(page, 'reload', { remember: 'place' });
  await publish('reload', [4]);
  expect(await untilSeen(page, 2)).toEqual([3, 4]);
});

test('an interruption of the network loses no event', async () => {
  const context = await contextForTest(browser);
  const page = await openPage(context, await startProxy(hub.url));
  await subscribe(page, 'network', { transports: ['sse'] });
  await publish('network', [1]);
  await untilSeen(page, 1);
  await context.setOffline(true);
  await page.waitForFunction(() => window.states.at(-1)?.startsWith('waiting'));
  await publish('network', [2, 3]);
  await context.setOffline(false);
  expect(await untilSeen(page, 3)).toEqual([1, 2, 3]);
});

test('a page that waits for its hub tries at once when it is visible or online again, and not when it is hidden', async () => {
  const proxy = await startProxy(hub.url);
  const page = await openPage(await contextForTest(browser), proxy);
  // The wait is a random part of it.
  const dayMs = 86_400_000;
  await subscribe(page, 'shown', { backoffBaseMs: dayMs, backoffCapMs: dayMs });
  let last = 0;
  for (const event of ['visibilitychange', 'online']) {
    proxy.cut();
    await page.waitForFunction(() => window.connection.state.state === 'waiting');
    await publish('shown', [++last]);
    const whenHidden = await page.evaluate((name) => {
      const dispatch = (): void => void document.dispatchEvent(new Event(name, { bubbles: true }));
      Object.defineProperty(document, 'hidden', { value: true, configurable: true });
      if (name === 'visibilitychange') dispatch();
      const { state } = window.connection.state;
      Reflect.deleteProperty(document, 'hidden');
      dispatch();
      return state;
    }, event);
    expect(whenHidden).toBe('waiting');
    expect(await untilSeen(page, last)).toEqual(numbers(last));
  }
});

test('events that are published while the browser is offline are sent when it is online, once and in order', async () => {
  const context = await contextForTest(browser);
  const page = await openPage(context, await startProxy(hub.url));
  // Less than the time offline, which does not count. Enough for a slow machine to publish once it
  // is online.
  const publishTimeoutMs = 12_000;
  await subscribe(page, 'offline', { publishTimeoutMs });
  await context.setOffline(true);
  await page.waitForFunction(() => !navigator.onLine);
  await page.evaluate(() => {
    const outcomes = Promise.allSettled([1, 2, 3, 4].map((number) => window.connection.publish('offline', number)));
    void outcomes.then((settled) => window.states.push(settled.map(({ status }) => status).join()));
  });
  await page.waitForFunction(() => window.states.filter((state) => state.startsWith('waiting')).length >= 12);
  await page.waitForTimeout(publishTimeoutMs + 500);
  expect(await page.evaluate(() => window.states.join())).not.toMatch(/rejected/);
  await context.setOffline(false);
  const outcomes = await page.waitForFunction(() => window.states.find((state) => /fulfilled|rejected/.test(state)));
  expect(await outcomes.jsonValue()).toBe('fulfilled,fulfilled,fulfilled,fulfilled');
  expect(await untilSeen(page, 4)).toEqual([1, 2, 3, 4]);
});

test('a page shows the presence of users with tokens, live', async () => {
  const rules = [{ pattern: 'room', subscribe: 'users', presence: 'users' }];
  const strict = await hubForTest({ settings: ['access=rules', `rules=${JSON.stringify(rules)}`, ...TOKEN_SETTINGS] });
  const proxy = await startProxy(strict.url);
  const page = await openPage(await contextForTest(browser), proxy);
  await subscribe(page, 'room', { token: tokenOf('ada') });
  await page.evaluate(() => {
    void (async () => {
      for await (const { members } of window.presence(window.connection, 'room'))
        window.states.push(members.map(({ user }) => user).join());
    })();
  });
  await page.waitForFunction(() => window.states.at(-1) === 'ada');
  const other = await openPage(await contextForTest(browser), proxy);
  await subscribe(other, 'room', { token: tokenOf('bo') });
  await page.waitForFunction(() => window.states.at(-1) === 'ada,bo');
});

test.each(['websocket', 'sse', 'long-poll', 'short-poll'] as const)(
  'a page of another origin authenticates with a cookie only, and @me is its visitor’s channel, over %s',
  async (transport) => {
    const rules = [{ pattern: 'room', subscribe: 'users', publish: 'users' }];
    const page = await openPage(await contextForTest(browser), await startProxy(hub.url));
    const strict = await hubForTest({
      settings: [
        'access=rules',
        `rules=${JSON.stringify(rules)}`,
        'identity.tokenCookie=login',
        `allowedOrigins=${JSON.stringify([new URL(page.url()).origin])}`,
        ...TOKEN_SETTINGS,
      ],
    });
    await page.context().addCookies([{ name: 'login', value: tokenOf('ada'), url: strict.url, sameSite: 'Lax' }]);
    await page.waitForFunction(() => window.client !== undefined);
    await page.evaluate(
      async ([url, transport]) => {
        const options = {
          transports: [transport],
          credentials: 'include',
          readyTimeoutMs: 20_000,
          pollIntervalMs: 100,
        } as const;
        window.connection = window.client.connect(url, options);
        window.connection.me(({ data }) => window.seen.push(data));
        await window.connection.subscribe('room', ({ data, user }) => window.seen.push([user, data])).joined;
        await window.connection.publish('room', 'hello');
      },
      [strict.url, transport] as const,
    );
    expect(await untilSeen(page, 1)).toEqual([['ada', 'hello']]);
    const privateMessage = { 'Content-Type': 'application/json', Authorization: `Bearer ${tokenOf('site', 60, SITE)}` };
    const sent = await fetch(`${strict.url}/v1/users/ada/events`, {
      method: 'POST',
      headers: privateMessage,
      body: '{"data":"a letter"}',
    });
    expect(sent.status, await sent.text()).toBe(201);
    expect(await untilSeen(page, 2)).toEqual([['ada', 'hello'], 'a letter']);
  },
);

test('it works in a worker as in a page', async () => {
  const page = await openPage(await contextForTest(browser), await startProxy(hub.url));
  await page.evaluate(async () => {
    window.seen = [];
    const code = `
      import { connect } from '${location.origin}/client.js';
      const subscription = connect('${location.origin}').subscribe('worker');
      await subscription.joined;
      postMessage('joined');
      for await (const { data } of subscription) postMessage(data);`;
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })), { type: 'module' });
    await new Promise((resolve) => worker.addEventListener('message', resolve, { once: true }));
    worker.addEventListener('message', ({ data }) => window.seen.push(data));
  });
  await publish('worker', [1, 2]);
  expect(await untilSeen(page, 2)).toEqual([1, 2]);
});
