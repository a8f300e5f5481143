import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startUsersHub, type UsersHub } from '../identity/kit/users-hub.ts';
import { ISSUER, TOKEN_COOKIE } from '../identity/kit/tokens.ts';
import { CACHES, type Cache } from '../kit/caches.ts';
import { startCountingProxy, type CountingProxy } from '../kit/counting-proxy.ts';
import { within } from '../kit/wait.ts';

const CLIENTS = 50;

let hub: UsersHub;
let origin: CountingProxy;

beforeAll(async () => {
  const keys = [{ algorithm: 'HS256', secret: 'a secret of at least thirty-two bytes' }];
  hub = await startUsersHub({
    identity: { tokenCookie: TOKEN_COOKIE, tokens: [{ issuer: ISSUER, audience: 'polycast', keys }] },
    // Longer than the test takes, so that a cached page stays fresh.
    delivery: { pageMaxAgeSeconds: 600 },
    rules: [
      { pattern: 'news.>', subscribe: ['anyone'] },
      { pattern: 'chat.>', subscribe: ['users'], presence: ['users'] },
    ],
  });
  origin = await startCountingProxy(hub.process.port);
});
afterAll(async () => {
  origin?.close();
  await hub?.end();
});

/** Each way in which a user can authenticate. */
const WAYS: Readonly<Record<string, (user: string) => Readonly<Record<string, string>>>> = {
  cookie: (user) => ({ cookie: `${TOKEN_COOKIE}=${hub.token(user)}` }),
  header: (user) => ({ authorization: `Bearer ${hub.token(user)}` }),
};

const PRIVATE_PATHS = [
  '/v1/events?channel=@me&after=earliest',
  '/v1/events?channel=@me&history=1',
  '/v1/events?channel=@me&channel=news.a&after=earliest',
  '/v1/events?channel=chat.a&after=earliest',
  '/v1/channels/chat.a',
  '/v1/channels/chat.a/history',
  '/v1/channels/chat.a/presence',
];

describe.each(CACHES)('$name', ({ name, isInstalled, isProxy, start }) => {
  let cache: Cache;
  beforeAll(async () => {
    if (isInstalled) cache = await start(origin.port);
  });
  afterAll(() => cache?.close());

  test.skipIf(!isInstalled).each(Object.keys(WAYS))(
    'serves the response for one user to no other user, identified by %s',
    async (way) => {
      const as = WAYS[way] as (user: string) => Readonly<Record<string, string>>;
      await hub.request('POST', '/v1/events', { channel: 'chat.a', data: 'said among users' });
      await hub.request('POST', '/v1/users/ann/events', { data: 'a letter for ann' });
      await hub.request('POST', '/v1/users/ben/events', { data: 'a letter for ben' });
      for (const path of PRIVATE_PATHS) {
        for (let round = 0; round < 2; round++) {
          const ann = await cache.get(path, as('ann'));
          const ben = await cache.get(path, as('ben'));
          const anonymous = await cache.get(path);
          expect([path, ann.status, ben.status, anonymous.status]).toEqual([path, 200, 200, 401]);
          if (path.includes('@me')) expect(ann.text).toContain('a letter for ann');
          expect(ann.text).not.toContain('a letter for ben');
          expect(ben.text).not.toContain('a letter for ann');
        }
      }
    },
  );

  test.skipIf(!isInstalled)('requests a page once for many clients, and serves no stale page', async () => {
    const channel = `news.${name.replaceAll(/\W/g, '')}`;
    const [{ id: first }] = (await (
      await hub.request(
        'POST',
        '/v1/events',
        [0, 1, 2, 3, 4].map((data) => ({ channel, data })),
      )
    ).json()) as [{ id: string }];
    const path = `/v1/events?channel=${channel}&after=${first}&limit=3`;
    origin.paths.length = 0;
    const startMs = performance.now();
    // A client cache shares no request in flight, so the crowd begins when the page is cached.
    const before = isProxy ? [] : [await cache.get(path)];
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => cache.get(path)));
    const coldMs = performance.now() - startMs;
    expect(new Set([...before, ...clients].map(({ text }) => text)).size).toBe(1);
    expect(origin.paths).toEqual([path]);
    const warmStartMs = performance.now();
    await Promise.all(Array.from({ length: CLIENTS }, () => cache.get(path)));
    const warmMs = performance.now() - warmStartMs;
    expect(origin.paths).toEqual([path]);
    console.log(
      `${name}: ${CLIENTS} equal polls in ${coldMs.toFixed(0)} ms, then in ${warmMs.toFixed(0)} ms, one at the hub`,
    );

    const { cursor } = JSON.parse(clients[0]?.text as string) as { cursor: string };
    const newest = `/v1/events?channel=${channel}&after=${cursor}`;
    for (let data = 5; data < 8; data++) {
      expect((await cache.get(newest)).text).toContain(`"data":${data - 1}`);
      await hub.request('POST', '/v1/events', { channel, data });
      expect((await cache.get(newest)).text).toContain(`"data":${data}`);
      expect((await cache.get(`/v1/channels/${channel}`)).text).toBe(String(data));
    }
  });

  test.skipIf(!isInstalled || !isProxy)('requests it once from a slow hub as well', async () => {
    const channel = `news.slow.${name}`;
    const events = [0, 1, 2, 3, 4].map((data) => ({ channel, data }));
    const [{ id: first }] = (await (await hub.request('POST', '/v1/events', events)).json()) as [{ id: string }];
    const path = `/v1/events?channel=${channel}&after=${first}&limit=3`;
    origin.paths.length = 0;
    origin.delayMs = 700;
    onTestFinished(() => void (origin.delayMs = 0));
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => cache.get(path)));
    expect(new Set(clients.map(({ text }) => text)).size).toBe(1);
    expect(origin.paths).toEqual([path]);
  });

  test.skipIf(!isInstalled)(
    'shares one waiting request among many clients, and serves the event to all of them',
    async () => {
      const channel = `news.held.${name.replaceAll(/\W/g, '')}`;
      const path = `/v1/events?channel=${channel}&wait=30`;
      origin.paths.length = 0;
      const held = Array.from({ length: CLIENTS }, () => cache.get(path));
      // All requests that the cache forwards wait: none is answered before an event arrives.
      await expect
        .poll(async () =>
          Number(
            /polycast_sessions\{transport="long-poll"\} (\d+)/.exec((await hub.request('GET', '/metrics')).text)?.[1],
          ),
        )
        .toBeGreaterThan(0);
      let areAnswered = false;
      void Promise.all(held).then(() => (areAnswered = true));
      await expect
        .poll(async () => {
          await hub.request('POST', '/v1/events', { channel, data: 'for all' });
          return areAnswered;
        })
        .toBe(true);
      for (const { status, text } of await within('all answers', Promise.all(held)))
        expect([status, text.includes('for all')]).toEqual([200, true]);
      expect((await cache.get(`/v1/events?channel=${channel}&wait=0`)).text).not.toContain('for all');
    },
  );
});
