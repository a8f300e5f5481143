import { PolycastError, transportCounts, type ErrorCode } from '@polycast/protocol';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { Feed } from '../core/feed.ts';
import type { Authority } from '../core/access/authority.ts';
import type { Log } from '../core/ports.ts';
import { ANONYMOUS, type Action } from '../core/access/principal.ts';
import { Publisher } from '../core/publish.ts';
import { ChannelRules } from '../core/access/channel-rules.ts';
import { TimingWheel } from '../core/primitives/timing-wheel.ts';
import { createMemoryLog } from '../storage/memory/memory-log.ts';
import { ByteBudget } from '../core/primitives/byte-budget.ts';
import { CacheHeaders } from './headers/cache-headers.ts';
import { HttpFrontend } from './http-frontend.ts';
import { withAuthorization, type Route } from '../auth/route.ts';
import { publishRoutes } from '../publishing/routes.ts';
import { streamHandlers } from '../streams/routes.ts';
import type { StreamSettings } from '../streams/stream-parts.ts';
import { Sessions } from '../auth/sessions.ts';
import { systemWorld } from '../operate/world.ts';
import { RULE_DEFAULTS } from '../testing/rule-defaults.ts';
import { createTestAuth, OPEN_AUTHORITY } from '../testing/test-auth.ts';

/**
 * The conditions that no client can cause: an authority that refuses, a log that is full or fails,
 * an internal error.
 */
interface World {
  readonly log?: Log;
  readonly authority?: Authority;
  readonly routes?: readonly Route[];
  readonly queueBytesMax?: number;
  readonly loopbackNamesOnly?: boolean;
}

interface Running {
  readonly url: string;
  readonly errors: object[];
}

const PUBLISHES: readonly (readonly [string, string, string, string])[] = [
  ['one object', '/v1/events', 'application/json', '{"channel":"a","data":1}'],
  ['bare data', '/v1/channels/a/events', 'text/plain', 'x'],
  [
    'a CloudEvent',
    '/v1/events',
    'application/cloudevents+json',
    '{"specversion":"1.0","id":"1","source":"s","type":"t","channel":"a"}',
  ],
];
const REFUSED: Readonly<Record<string, ErrorCode>> = {
  wrong: 'unauthorized',
  late: 'token_expired',
  unknown: 'identity_unavailable',
};
const LISTS: readonly (readonly [string, string, string])[] = [
  ['an array', 'application/json', '[{"channel":"a","data":1},{"channel":"a","data":2}]'],
  ['lines', 'application/x-ndjson', '{"channel":"a","data":1}\n{"channel":"a","data":2}'],
  [
    'a batch of CloudEvents',
    'application/cloudevents-batch+json',
    '[{"specversion":"1.0","id":"1","source":"s","type":"t","channel":"a"},{"specversion":"1.0","id":"2","source":"s","type":"t","channel":"a"}]',
  ],
];

describe.each(['at once', 'later'] as const)('an authority that decides %s', (when) => {
  const later = <Value>(value: Value): Value | Promise<Value> => (when === 'at once' ? value : Promise.resolve(value));
  const asked: [string | undefined, Action, string][] = [];
  const authority: Authority = {
    identify({ token }) {
      const code = REFUSED[token ?? ''];
      if (code !== undefined) {
        const error = new PolycastError(code, 'Who is that?');
        if (when === 'at once') throw error;
        return Promise.reject(error);
      }
      return later({ ...ANONYMOUS, user: token });
    },
    hasScope: () => ({ allowed: true }),
    onRevoked: () => undefined,
    decide({ user }, action, pattern) {
      asked.push([user, action, pattern]);
      return later(
        pattern.startsWith('secret') || user === 'nobody'
          ? { allowed: false as const, code: 'forbidden' as const, detail: 'Not for you.' }
          : { allowed: true as const },
      );
    },
  };

  test.each([
    ['/v1/events?channel=a&token=wrong', 401, 'unauthorized'],
    ['/v1/events?channel=a&token=late', 401, 'token_expired'],
    ['/v1/events?channel=a&token=unknown', 503, 'identity_unavailable'],
    ['/v1/events?channel=a&channel=secret.a&token=me', 403, 'forbidden'],
    ['/v1/channels/secret?token=me', 403, 'forbidden'],
    ['/v1/channels/secret/history?token=me', 403, 'forbidden'],
    ['/v1/channels/a/history?token=wrong', 401, 'unauthorized'],
  ])('refuses GET %s with %d', async (target, status, code) => {
    const { url, errors } = await start({ authority });
    for (const accept of ['application/json', 'text/event-stream']) {
      const answer = await fetch(url + target, { headers: { Accept: accept } });
      expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([status, code]);
    }
    expect(errors).toEqual([]);
  });

  test('receives the token of the Authorization header, and decides on each channel', async () => {
    const { url } = await start({ authority });
    asked.length = 0;
    const answer = await fetch(`${url}/v1/events?channel=a&channel=b.*`, { headers: { Authorization: 'bearer  me ' } });
    expect(answer.status).toBe(200);
    expect(asked).toEqual([
      ['me', 'subscribe', 'a'],
      ['me', 'subscribe', 'b.*'],
    ]);
  });

  test.each(PUBLISHES)('refuses %s', async (_name, target, mediaType, body) => {
    const { url } = await start({ authority });
    for (const [token, status] of [
      ['wrong', 401],
      ['nobody', 403],
    ] as const) {
      const answer = await post(url + target, mediaType, body, { Authorization: `Bearer ${token}` });
      expect(answer.status).toBe(status);
    }
    expect((await post(url + target, mediaType, body, { Authorization: 'Bearer me' })).status).toBe(201);
  });

  test.each(LISTS)('refuses each of %s separately', async (_name, mediaType, body) => {
    const { url } = await start({ authority });
    const mixed = body.replace('"a"', '"secret"');
    const text = await (await post(`${url}/v1/events`, mediaType, mixed, { Authorization: 'Bearer me' })).text();
    expect(text.match(/"code":"\w+"|"id"/g)).toEqual(['"code":"forbidden"', '"id"']);
  });

  test('refuses upgrades over HTTP, and operations in their answer', async () => {
    const { url } = await start({ authority });
    expect(await refusedUpgrade(`${url}/v1/events?token=wrong`)).toBe(401);
    expect(await refusedUpgrade(`${url}/v1/events?channel=secret&token=me`)).toBe(403);
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/events?token=me`);
    onTestFinished(() => socket.terminate());
    await once(socket, 'open');
    const answers: { error?: { code: string } }[] = [];
    socket.on('message', (message: Buffer) =>
      answers.push(JSON.parse(message.toString()) as { error?: { code: string } }),
    );
    for (const operation of [
      { op: 'subscribe', channels: ['a', 'secret'] },
      { op: 'publish', channel: 'secret', data: 1 },
      { op: 'auth', token: 'wrong' },
    ])
      socket.send(JSON.stringify(operation));
    await expect
      .poll(() => answers.flatMap(({ error }) => error?.code ?? []).toSorted())
      .toEqual(['forbidden', 'forbidden', 'unauthorized']);
  });
});

describe('a log that cannot store an event', () => {
  test.each(PUBLISHES)(
    'refuses %s with 503 channel_limit when it has the maximum number of channels',
    async (_name, target, mediaType, body) => {
      const log = createMemoryLog({ channelsMax: 1 });
      const { url } = await start({ log });
      expect((await post(`${url}/v1/channels/first/events`, 'text/plain', 'x')).status).toBe(201);
      await expectRefusal(await post(url + target, mediaType, body), 503, 'channel_limit');
      expect((await post(`${url}/v1/channels/first/events`, 'text/plain', 'y')).status).toBe(201);
    },
  );

  test.each(['log_unavailable', 'log_full'] as const)(
    '%s is 503 for publishers, also for each event of an array, and no error for readers',
    async (code) => {
      const log = failing(new PolycastError(code));
      const { url } = await start({ log });
      for (const [, target, mediaType, body] of PUBLISHES)
        await expectRefusal(await post(url + target, mediaType, body), 503, code);
      for (const [, mediaType, body] of LISTS) {
        const answer = await post(`${url}/v1/events`, mediaType, body);
        expect([answer.status, (await answer.text()).match(/"code":"\w+"/g)]).toEqual([
          200,
          [`"code":"${code}"`, `"code":"${code}"`],
        ]);
      }
      expect((await fetch(`${url}/v1/events?channel=a&after=earliest`)).status).toBe(200);
    },
  );

  test('a slow disk is 503 overloaded', async () => {
    const inner = createMemoryLog();
    const gate = Promise.withResolvers<void>();
    const log = wrapped(inner, (records) => gate.promise.then(() => inner.append(records)));
    const { url } = await start({ log, queueBytesMax: 200 });
    const [, target, mediaType, body] = PUBLISHES[0] as (typeof PUBLISHES)[number];
    const sent = Array.from({ length: 12 }, () => post(url + target, mediaType, body));
    // The order of arrival is random. Until the disk continues, only the requests beyond the bound
    // are answered.
    const first = await Promise.race(sent);
    gate.resolve();
    await expectRefusal(first, 503, 'overloaded');
    const statuses = (await Promise.all(sent)).map(({ status }) => status);
    expect(statuses).toContain(201);
    expect(new Set(statuses)).toEqual(new Set([201, 503]));
  });
});

test('a hub for the loopback refuses every other name: host_not_allowed', async () => {
  const { url } = await start({ loopbackNamesOnly: true });
  const { port } = new URL(url);
  for (const [host, status] of [
    [`127.0.0.1:${port}`, 200],
    [`localhost:${port}`, 200],
    [`evil.example:${port}`, 421],
    ['localhost.evil.example', 421],
  ] as const) {
    const socket = connect(Number(port), '127.0.0.1').setEncoding('utf8');
    socket.end(`GET /v1/events?channel=a HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    const text = (await socket.toArray()).join('');
    expect([host, text.split(' ')[1], text.includes('"code":"host_not_allowed"')]).toEqual([
      host,
      String(status),
      status === 421,
    ]);
  }
});

test('an internal fault is 500 internal_error, logged, and its details are not sent', async () => {
  const handle = (): never => {
    throw new TypeError('the password is 1234');
  };
  const late = (): Promise<never> => Promise.reject(new TypeError('the password is 1234'));
  const { url, errors } = await start({
    routes: [
      { method: 'GET', path: '/at-once', answer: handle },
      { method: 'GET', path: '/late', answer: late },
    ],
  });
  for (const path of ['/at-once', '/late']) {
    const answer = await fetch(`${url + path}?token=secret`);
    const text = await answer.text();
    expect([answer.status, text.includes('"code":"internal_error"'), text.includes('1234')]).toEqual([
      500,
      true,
      false,
    ]);
  }
  expect(errors).toHaveLength(2);
  expect(JSON.stringify(errors)).not.toContain('secret');
});

async function start({
  log = createMemoryLog(),
  authority = OPEN_AUTHORITY,
  routes = [],
  queueBytesMax = 1e6,
  loopbackNamesOnly = false,
}: World = {}): Promise<Running> {
  const errors: object[] = [];
  const rules = new ChannelRules([], RULE_DEFAULTS);
  const clock = { nowMs: Date.now, monotonicMs: () => performance.now() };
  const encode = (text: string): Uint8Array => Buffer.from(text);
  const fingerprint = (text: string): string => createHash('sha256').update(text).digest('hex');
  const sessions = new Sessions(systemWorld.random);
  const wheel = new TimingWheel();
  const feed = new Feed(log, {
    tailBytesMax: 1e6,
    batchBytesMax: 1e5,
    pollBytesMax: 1e5,
    logReadsConcurrentMax: 4,
    isLatestOnly: () => false,
    isStored: () => true,
    allocate: (bytes) => Buffer.alloc(bytes),
    onDelivered: () => undefined,
  });
  const publisher = new Publisher(log, rules, clock, {
    appendQueueBytesMax: queueBytesMax,
    encode,
    fingerprint,
    onAppended: () => undefined,
  });
  const auth = createTestAuth({
    authority,
    clock,
    wheel,
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: (fields) => void errors.push(fields),
    },
  });
  const body = { wheel, bodyBudget: new ByteBudget(1e7), settings: { bodyBytesMax: 1e6, bodyTimeoutMs: 5000 } };
  const stats = { deliveries: transportCounts(), gaps: 0, stalled: 0 };
  const streams = streamHandlers({
    auth,
    feed,
    log,
    sessions,
    wheel,
    stats,
    settings: SETTINGS,
    publisher,
    cacheHeaders: new CacheHeaders(
      { fraction: () => 0.5, token: () => 'salt' },
      { credentialHeaders: [], pageMaxAgeSeconds: 10 },
    ),
    presence: {
      snapshot: () => Promise.reject(new PolycastError('not_found')),
      checkCapacity: () => undefined,
      isOnline: () => false,
      onlineUsers: () => [],
    },
    openPulls: unused,
  });
  const publishing = publishRoutes({ publisher, feed, body, batchEventsMax: 100 });
  const allRoutes = [...streams.routes, ...publishing, ...routes];
  const { server } = new HttpFrontend(
    { ...auth, stats, stalledTicks: SETTINGS.session.stalledTicks },
    {
      headerBytesMax: 16_384,
      headersTimeoutMs: 5000,
      keepAliveTimeoutMs: 5000,
      connectionsMax: 100,
      streamsTotalMax: 100,
      answersBytesMax: 1e7,
      socketsPerAddressMax: null,
      connectionsPerPublicAddressMax: null,
      loopbackHostsOnly: loopbackNamesOnly,
      publicHost: undefined,
      tls: undefined,
      http2StreamsMax: 100,
      http2ResetsPerSecondMax: 50,
    },
    { ...streams, routes: allRoutes.map((route) => withAuthorization({ auth, body }, route)) },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const session of sessions.each()) session.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, errors };
}

const unused = (): never => {
  throw new Error('These tests pull nothing.');
};

const SETTINGS: StreamSettings = {
  session: { heartbeatTicks: 100, stalledTicks: 100, closeTimeoutTicks: 4 },
  heartbeatMs: 25_000,
  reconnectMs: 2000,
  keepAliveHeader: 'timeout=5',
  pollBytesMax: 1e6,
  pollWaitMaxSeconds: 60,
  channelsPerConsumerMax: 100,
  messageBytesMax: 1e5,
  webSocketIdleTicks: 120,
  publicUrl: undefined,
};

function wrapped(log: Log, append: Log['append']): Log {
  return {
    state: log.state,
    append,
    follow: (listener) => log.follow(listener),
    read: (query) => log.read(query),
    count: (query) => log.count(query),
    channels: (query) => log.channels(query),
    trim: (orders, nowMs) => log.trim(orders, nowMs),
    erasing: log.erasing,
    stats: () => log.stats(),
    close: () => log.close(),
  };
}

function failing(error: PolycastError): Log {
  return wrapped(createMemoryLog(), async () => {
    throw error;
  });
}

function post(
  url: string,
  mediaType: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'Content-Type': mediaType, ...headers }, body });
}

async function expectRefusal(answer: Response, status: number, code: string): Promise<void> {
  expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([status, code]);
  expect(answer.headers.get('Retry-After')).toMatch(/^\d+$/);
}

function refusedUpgrade(url: string): Promise<number | undefined> {
  const socket = new WebSocket(url.replace('http', 'ws'));
  return new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.on('unexpected-response', (request, answer) => {
      resolve(answer.statusCode);
      request.destroy();
    });
  });
}
