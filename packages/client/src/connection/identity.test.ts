import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { TokenReason } from '../index.ts';
import { connectForTest, until } from '../testing/connections.ts';
import { hubForTest, startTestHub, type TestHub } from '../testing/hub.ts';
import { startProxy } from '../testing/proxy.ts';
import { TOKEN_SETTINGS, tokenOf } from '../testing/tokens.ts';

const RULES = [
  { pattern: 'news.>', subscribe: 'anyone', publish: 'users' },
  { pattern: 'members.>', subscribe: 'users', publish: 'users' },
];

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub({
    settings: [
      'access=rules',
      `rules=${JSON.stringify(RULES)}`,
      'identity.expiringSeconds=10',
      'defaults.userPublishRatePerSecond=null',
      'limits.clientPublishRatePerSecond=null',
      'delivery.heartbeatMs=1000',
      ...TOKEN_SETTINGS,
    ],
  });
});
afterAll(() => hub.kill());

const TRANSPORTS = ['websocket', 'sse', 'long-poll', 'short-poll'] as const;
const PUBLISHER = { sub: 'server', polycast: { publish: ['>', 'polycast.private.>'] } };

async function publish(channel: string, data: unknown): Promise<void> {
  const response = await fetch(`${hub.url}/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${tokenOf('server', 60, PUBLISHER)}` },
    body: JSON.stringify({ channel, data }),
  });
  expect(response.status, await response.text()).toBe(201);
}

describe.each(TRANSPORTS)('over %s', (transport) => {
  test('a token gives access to channels for users, and is in no URL', async () => {
    const proxy = await startProxy(hub.url);
    const connection = connectForTest(proxy.url, { transports: [transport], token: tokenOf('ada') });
    const seen: unknown[] = [];
    await connection.subscribe(`members.${transport}`, ({ data }) => seen.push(data)).joined;
    await publish(`members.${transport}`, 1);
    await until(() => seen.length === 1);
    expect(proxy.requests.filter((request) => request.includes('token'))).toEqual([]);
  });

  test('a private message reaches only its user, on every device, and offline devices on return', async () => {
    const open = (user: string, after?: string): unknown[] => {
      const seen: unknown[] = [];
      const connection = connectForTest(hub.url, { transports: [transport], token: tokenOf(user) });
      connection.me(({ data }) => seen.push(data), after === undefined ? {} : { after });
      return seen;
    };
    const user = `ada-${transport}`;
    const connection = connectForTest(hub.url, { transports: [transport], token: tokenOf(user) });
    const privateMessages = connection.me(() => undefined);
    await privateMessages.joined;
    const { cursor } = privateMessages;
    connection.close();
    await publish(`polycast.private.${user}`, 'while away');
    const [one, other, stranger] = [open(user, cursor), open(user, cursor), open('eve', cursor)];
    await until(() => one.length === 1 && other.length === 1);
    await publish(`polycast.private.${user}`, 'here');
    await until(() => one.length === 2 && other.length === 2);
    expect([one, other, stranger]).toEqual([['while away', 'here'], ['while away', 'here'], []]);
  });

  test('private messages can be received by a listener and by an iteration', async () => {
    const user = `lis-${transport}`;
    const connection = connectForTest(hub.url, { transports: [transport], token: tokenOf(user) });
    const privateMessages = connection.me();
    const received: unknown[] = [];
    const off = connection.on('user', ({ data }) => received.push(data));
    await privateMessages.joined;
    await publish(`polycast.private.${user}`, 'one');
    await publish(`polycast.private.${user}`, 'two');
    const read: unknown[] = [];
    for await (const { data } of privateMessages) if (read.push(data) === 2) break;
    expect(read).toEqual(['one', 'two']);
    await until(() => received.length === 2);
    off();
    const rest = connection.me();
    await rest.joined;
    await publish(`polycast.private.${user}`, 'three');
    for await (const { data } of rest) if (data === 'three') break;
    expect(received).toEqual(['one', 'two']);
  });

  test('a token is renewed before it expires, and no event is lost or repeated', async () => {
    // Polls receive nothing between their answers: the refusal of the next poll is the notice.
    const isNotified = transport === 'websocket' || transport === 'sse';
    // The notice comes in the last quarter. If the machine stood still then, a longer life follows.
    for (const lifeSeconds of isNotified ? [2, 8, 24] : [2]) {
      const reasons: TokenReason[] = [];
      const connection = connectForTest(hub.url, {
        transports: [transport],
        getToken({ reason }) {
          reasons.push(reason);
          return tokenOf('ada', lifeSeconds);
        },
      });
      const seen: unknown[] = [];
      const states: string[] = [];
      const channel = `members.renewed-${transport}-${lifeSeconds}`;
      let [sinceMs, slowestMs] = [performance.now(), 0];
      await connection.subscribe(channel, ({ data }) => seen.push(data)).joined;
      connection.on('state', ({ state }) => states.push(state));
      let last = 0;
      while (reasons.length < 3) {
        await publish(channel, ++last);
        await until(() => seen.length >= last);
        slowestMs = Math.max(slowestMs, performance.now() - sinceMs);
        sinceMs = performance.now();
      }
      connection.close();
      expect(seen).toEqual(Array.from({ length: last }, (_, index) => index + 1));
      expect(reasons[0]).toBe('first');
      if (!isNotified || !(reasons.includes('refused') || states.includes('waiting'))) return;
      // An event takes some milliseconds.
      expect(slowestMs, `${reasons.join()}; ${states.join()}`).toBeGreaterThan(100);
    }
    expect.unreachable('each stream lost its token');
  });

  test("an expired token is requested once more; a second refusal is final, and has the hub's reason", async () => {
    const reasons: TokenReason[] = [];
    const connection = connectForTest(hub.url, {
      transports: [transport],
      getToken({ reason }) {
        reasons.push(reason);
        return tokenOf('ada', -60);
      },
    });
    connection.on('error', () => undefined);
    await expect(connection.subscribe('members.a', () => undefined).joined).rejects.toMatchObject({
      code: 'token_expired',
    });
    expect(reasons).toEqual(['first', 'refused']);
    expect(connection.state).toMatchObject({ state: 'closed', error: { code: 'token_expired' } });
  });

  test('a connection does not receive its own events, also after a reconnect', async () => {
    const proxy = await startProxy(hub.url);
    const channel = `members.self-${transport}`;
    const token = tokenOf('ada');
    const own: unknown[] = [];
    const others: unknown[] = [];
    const connection = connectForTest(proxy.url, { transports: [transport], token, excludeSelf: true });
    const other = connectForTest(hub.url, { transports: [transport], token });
    await connection.subscribe(channel, ({ data }) => own.push(data)).joined;
    await other.subscribe(channel, (event) => others.push(event.data)).joined;
    await connection.publish(channel, 'mine');
    await other.publish(channel, 'of the same user');
    proxy.cut();
    await connection.publish(channel, 'mine again');
    await other.publish(channel, 'again');
    await until(() => own.length === 2 && others.length === 4);
    expect(own).toEqual(['of the same user', 'again']);
  });

  test('a refusal by a rule ends that subscription, and no other', async () => {
    const connection = connectForTest(hub.url, { transports: [transport], token: tokenOf('ada') });
    connection.on('error', () => undefined);
    const refused = connection.subscribe('secret.a', () => undefined);
    const allowed = connection.subscribe('news.a', () => undefined);
    await expect(refused.joined).rejects.toMatchObject({
      code: 'forbidden',
      problem: { channel: 'secret.a' },
      detail: expect.stringContaining('secret.a'),
    });
    await allowed.joined;
    await expect(connection.publish('secret.a', 1)).rejects.toMatchObject({ code: 'forbidden' });
  });
});

test('many concurrent requests call getToken once', async () => {
  let asked = 0;
  const connection = connectForTest(hub.url, {
    async getToken() {
      asked++;
      await Promise.resolve();
      return tokenOf('ada');
    },
  });
  await Promise.all([
    connection.subscribe('members.a', () => undefined).joined,
    connection.publish('members.b', 1),
    connection.publish('members.c', 2, { inOrder: false }),
    connection.fetch('channels/members.a/history'),
  ]);
  expect(asked).toBe(1);
});

test('a getToken that fails is called again with backoff, and then everything continues', async () => {
  const askedMs: number[] = [];
  const whys: unknown[] = [];
  const errors: unknown[] = [];
  const away = new Error('The site is away.');
  const connection = connectForTest(hub.url, {
    getToken() {
      askedMs.push(performance.now());
      if (askedMs.length < 4) throw away;
      return tokenOf('ada');
    },
  });
  connection.on('error', ({ error, subscription }) => errors.push([error, subscription]));
  connection.on('state', ({ state, why }) => state === 'waiting' && why !== '' && whys.push(why));
  await connection.subscribe('members.a', () => undefined).joined;
  expect(askedMs).toHaveLength(4);
  expect(whys).toEqual(['identity_unavailable', 'identity_unavailable', 'identity_unavailable']);
  const reportedErrors = expect.objectContaining({ name: 'PolycastError', code: 'identity_unavailable', cause: away });
  expect(errors).toEqual(Array.from({ length: 3 }, () => [reportedErrors, undefined]));
});

test('a getToken that never settles times out, is reported with its cause, and is called again with backoff', async () => {
  const signals: AbortSignal[] = [];
  const errors: unknown[] = [];
  const whys: unknown[] = [];
  const connection = connectForTest(hub.url, {
    tokenTimeoutMs: 50,
    getToken({ signal }) {
      signals.push(signal);
      return signals.length < 4 ? new Promise(() => undefined) : tokenOf('ada');
    },
  });
  connection.on('error', ({ error }) => errors.push(error));
  connection.on('state', ({ state, why }) => state === 'waiting' && why !== '' && whys.push(why));
  await connection.subscribe('members.a', () => undefined).joined;
  expect(signals.map(({ aborted }) => aborted).slice(0, 3)).toEqual([true, true, true]);
  expect(whys).toEqual(['identity_unavailable', 'identity_unavailable', 'identity_unavailable']);
  const reportedErrors = expect.objectContaining({
    name: 'PolycastError',
    code: 'identity_unavailable',
    cause: expect.objectContaining({ name: 'TimeoutError' }),
  });
  expect(errors).toEqual([reportedErrors, reportedErrors, reportedErrors]);
  await connection.publish('members.a', 1);
});

test('the time that getToken takes does not count against the transport', async () => {
  const token = tokenOf('ada');
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'], shouldAdvanceTime: true });
  onTestFinished(() => void vi.useRealTimers());
  const asked = Promise.withResolvers<void>();
  const given = Promise.withResolvers<string>();
  const whys: unknown[] = [];
  const getToken = (): Promise<string> => {
    asked.resolve();
    return given.promise;
  };
  const connection = connectForTest(hub.url, { readyTimeoutMs: 20_000, tokenTimeoutMs: 600_000, getToken });
  connection.on('state', ({ why }) => whys.push(why));
  const { joined } = connection.subscribe('members.a', () => undefined);
  await asked.promise;
  await vi.advanceTimersByTimeAsync(100_000);
  given.resolve(token);
  await joined;
  expect(connection.state).toMatchObject({ state: 'open', transport: 'websocket' });
  expect(whys).not.toContain('silent');
});

test('requests that wait for a token that never arrives end when the application closes', async () => {
  const connection = connectForTest(hub.url, { tokenTimeoutMs: 600_000, getToken: () => new Promise(() => undefined) });
  const subscription = connection.subscribe('members.a', () => undefined);
  const underWay = [subscription.joined, connection.publish('a', 1), connection.fetch('channels/a/history')];
  connection.close();
  for (const each of underWay) await expect(each).rejects.toMatchObject({ name: 'PolycastError', code: 'closed' });
});

test('a program that has closed its connection exits, whatever getToken does', async () => {
  const program = `
    import { connect } from ${JSON.stringify(new URL('../index.ts', import.meta.url).href)};
    import { tokenOf } from ${JSON.stringify(new URL('../testing/tokens.ts', import.meta.url).href)};
    const patience = { tokenTimeoutMs: 600_000, readyTimeoutMs: 600_000, backoffBaseMs: 600_000, backoffCapMs: 600_000 };
    const hung = connect(process.argv[1], { ...patience, getToken: () => new Promise(() => undefined) });
    hung.subscribe('members.a', () => undefined);
    const failing = connect(process.argv[1], {
      ...patience,
      getToken({ reason }) {
        if (reason === 'expiring') throw new Error('No.');
        return tokenOf('ada', 3);
      },
    });
    failing.subscribe('members.a', () => undefined);
    failing.on('error', () => setImmediate(() => [hung, failing].forEach((connection) => connection.close())));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, hub.url], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
});

test('a getToken that fails before the expiry is reported; with tabs, in the tab that has it', async () => {
  let failures = 0;
  const connection = connectForTest(hub.url, {
    share: { join: () => ({ open: () => ({ send() {}, close() {} }), end() {} }) },
    // The tab that leads does not answer. A hub has to answer within this time.
    readyTimeoutMs: 1000,
    getToken({ reason }) {
      if (reason === 'expiring') throw new Error('No.');
      return tokenOf('ada', 3);
    },
  });
  connection.on('error', () => failures++);
  await connection.subscribe('members.b', () => undefined).joined;
  await until(() => failures > 0);
});

test('without a token, open channels are readable anonymously', async () => {
  const connection = connectForTest(hub.url, { getToken: () => undefined });
  await connection.subscribe('news.a', () => undefined).joined;
  connection.on('error', () => undefined);
  await expect(connection.subscribe('members.a', () => undefined).joined).rejects.toMatchObject({
    code: 'unauthorized',
    problem: { channel: 'members.a' },
  });
  expect(connection.state.state).toBe('open');
});

test('a publish that is refused for an expired token is retried with a new one', async () => {
  const tokens = [tokenOf('ada', -60), tokenOf('ada')];
  const connection = connectForTest(hub.url, { getToken: () => tokens.shift() });
  await expect(connection.publish('members.a', 1)).resolves.toMatchObject({ channel: 'members.a' });
});

test.each(TRANSPORTS)(
  'a hub without access control accepts any token, and names the users of valid ones, over %s',
  async (transport) => {
    const open = await hubForTest({ settings: TOKEN_SETTINGS });
    const users: unknown[] = [];
    for (const token of ['of another place', tokenOf('ada')]) {
      const connection = connectForTest(open.url, { transports: [transport], token });
      await connection.subscribe('a', ({ user }) => users.push(user)).joined;
      await connection.publish('a', 1);
      await until(() => users.length === (token.includes(' ') ? 1 : 2));
      connection.close();
    }
    expect(users).toEqual([undefined, 'ada']);
  },
);

test.each(TRANSPORTS)(
  'a disconnected user is notified immediately over %s, and reconnects only with newer credentials',
  async (transport) => {
    const open = await hubForTest({ settings: TOKEN_SETTINGS });
    const reasons: TokenReason[] = [];
    const fixed = connectForTest(open.url, { transports: [transport], token: tokenOf('ada') });
    const renewing = connectForTest(open.url, {
      transports: [transport],
      getToken({ reason }) {
        reasons.push(reason);
        return tokenOf('ada');
      },
    });
    const bystander = connectForTest(open.url, { transports: [transport], token: tokenOf('bo') });
    const states: string[] = [];
    const seen: unknown[] = [];
    fixed.on('error', () => undefined);
    bystander.on('state', ({ state }) => states.push(state));
    await Promise.all([
      fixed.me(() => undefined).joined,
      renewing.me(({ data }) => seen.push(data)).joined,
      bystander.me(() => undefined).joined,
    ]);
    states.length = 0;
    const disconnectedMs = performance.now();
    const answer = await fetch(`${open.url}/v1/users/ada/disconnect`, { method: 'POST' });
    expect(answer.status).toBe(200);
    await until(() => fixed.state.state !== 'open');
    // A poll whose wait ends by itself learns it too, after 25 seconds.
    expect(performance.now() - disconnectedMs).toBeLessThan(15_000);
    await until(() => fixed.state.state === 'closed');
    expect(fixed.state.error).toMatchObject({ code: 'unauthorized' });
    await until(() => reasons.includes('refused') && renewing.state.state === 'open');
    await open.publish('polycast.private.ada', 'a letter');
    await until(() => seen.length === 1);
    expect(states).toEqual([]);
  },
);

test("a site outage beyond the hub's cache time disconnects its users only until the site is back", async () => {
  const site = { isAway: false };
  const server = createServer((_request, response) => {
    if (site.isAway) return void response.writeHead(500).end();
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ user: 'ada', ttlSeconds: 1 }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const known = await hubForTest({
    settings: [
      'access=rules',
      `rules=${JSON.stringify(RULES)}`,
      `identity.site.loginUrl=http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      'identity.site.cookies=["login"]',
      'identity.site.graceSeconds=0',
      'identity.site.failuresMax=1',
      'identity.site.retryAfterSeconds=1',
    ],
  });
  const connection = connectForTest(known.url, {
    fetch: (input, init) => {
      const headers = new Headers(init?.headers);
      headers.set('Cookie', 'login=1');
      return fetch(input, { ...init, headers });
    },
    WebSocket: WithCookie,
  });
  const whys: unknown[] = [];
  connection.on('state', ({ why }) => whys.push(why));
  await connection.me(() => undefined).joined;
  expect(connection.state).toMatchObject({ state: 'open', transport: 'websocket' });
  site.isAway = true;
  await until(() => whys.includes('identity_unavailable'));
  expect(whys).toContain('unauthorized');
  site.isAway = false;
  await until(() => connection.state.state === 'open');
});

/** Sends the cookie as a browser would: Node's own WebSocket takes headers. */
class WithCookie extends WebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, { protocols: protocols ?? [], headers: { Cookie: 'login=1' } } as unknown as string[]);
  }
}
