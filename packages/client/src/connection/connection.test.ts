import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TransportName } from '../machine/state.ts';
import { connectForTest, numbers, until } from '../testing/connections.ts';
import { hubForTest, startTestHub, type TestHub } from '../testing/hub.ts';
import { startProxy } from '../testing/proxy.ts';

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub({ settings: ['delivery.heartbeatMs=1000'] });
});
afterAll(() => hub.kill());

let lastChannel = 0;
const newChannel = (): string => `test.${++lastChannel}`;
const TRANSPORTS = ['websocket', 'sse', 'long-poll', 'short-poll'] as const satisfies readonly TransportName[];

async function publishAll(channel: string, data: readonly unknown[]): Promise<void> {
  for (const each of data) await hub.publish(channel, each);
}

describe.each(TRANSPORTS)('over %s', (transport) => {
  test('a handler receives each event once, in order, with its data', async () => {
    const channel = newChannel();
    const connection = connectForTest(hub.url, { transports: [transport] });
    const seen: unknown[] = [];
    await connection.subscribe(channel, ({ data }) => seen.push(data)).joined;
    expect(connection.state).toMatchObject({ state: 'open', transport });
    await publishAll(channel, numbers(60));
    await until(() => seen.length >= 60);
    expect(seen).toEqual(numbers(60));
  });

  test('subscriptions share one connection, and each receives its own channels from its own position', async () => {
    const channel = newChannel();
    await publishAll(`${channel}.a`, [1, 2, 3]);
    await publishAll(`${channel}.b`, [4, 5]);
    const connection = connectForTest(hub.url, { transports: [transport] });
    const seen: Record<string, unknown[]> = { all: [], a: [], last: [], types: [] };
    const keep = (name: string) => (event: { data?: unknown }) => seen[name]?.push(event.data);
    const first = connection.subscribe(`${channel}.*`, keep('all'), { after: 'earliest' });
    await first.joined;
    const others = [
      connection.subscribe(`${channel}.a`, keep('a'), { after: 'earliest' }),
      connection.subscribe([`${channel}.a`, `${channel}.b`], keep('last'), { history: 2 }),
      connection.subscribe(`${channel}.>`, keep('types'), { types: ['none'] }),
    ];
    await Promise.all(others.map(({ joined }) => joined));
    await publishAll(`${channel}.a`, [6]);
    await until(() => seen['a']?.length === 4 && seen['all']?.length === 6);
    await until(() => seen['last']?.length === 3);
    expect(seen).toEqual({ all: [1, 2, 3, 4, 5, 6], a: [1, 2, 3, 6], last: [4, 5, 6], types: [] });
    others[0]?.close();
    await publishAll(`${channel}.a`, [7]);
    await until(() => seen['all']?.length === 7);
    expect(seen['a']).toEqual([1, 2, 3, 6]);
  });

  test('events that were missed during a disconnection arrive after it', async () => {
    const channel = newChannel();
    const proxy = await startProxy(hub.url);
    const connection = connectForTest(proxy.url, { transports: [transport] });
    const seen: unknown[] = [];
    await connection.subscribe(channel, ({ data }) => seen.push(data)).joined;
    for (const start of [0, 10, 20]) {
      await publishAll(
        channel,
        numbers(10).map((number) => start + number),
      );
      proxy.cut();
    }
    await until(() => seen.length >= 30);
    expect(seen).toEqual(numbers(30));
  });
});

test('an iteration that is slow falls behind, catches up and misses nothing', async () => {
  const channel = newChannel();
  const connection = connectForTest(hub.url);
  const lags: boolean[] = [];
  connection.on('lag', ({ behind }) => lags.push(behind));
  const subscription = connection.subscribe<number>(channel, { bufferEventsMax: 4 });
  await subscription.joined;
  await publishAll(channel, numbers(40));
  await until(() => lags.length > 0);
  const seen: unknown[] = [];
  for await (const { data } of subscription) {
    seen.push(data);
    if (seen.length === 40) break;
  }
  expect(seen).toEqual(numbers(40));
  expect(lags[0]).toBe(true);
  await until(() => connection.state.state === 'idle');
});

test('a handler that returns a promise receives the next event when the promise is settled', async () => {
  const channel = newChannel();
  const connection = connectForTest(hub.url);
  const seen: unknown[] = [];
  let running = 0;
  const subscription = connection.subscribe(
    channel,
    async ({ data }) => {
      running++;
      await Promise.resolve();
      if (running > 1) throw new Error('Two at once.');
      seen.push(data);
      running--;
    },
    { bufferEventsMax: 3 },
  );
  await subscription.joined;
  await publishAll(channel, numbers(30));
  await until(() => seen.length >= 30);
  expect(seen).toEqual(numbers(30));
});

test('after a handler throws, the error is reported and the next event arrives', async () => {
  const channel = newChannel();
  const connection = connectForTest(hub.url);
  const errors: unknown[] = [];
  const seen: unknown[] = [];
  connection.on('error', ({ error }) => errors.push((error as Error).message));
  await connection.subscribe(channel, ({ data }) => {
    seen.push(data);
    if (data === 1) throw new Error('no');
  }).joined;
  await publishAll(channel, [1, 2]);
  await until(() => seen.length === 2);
  expect(errors).toEqual(['no']);
});

test('closing ends an iteration', async () => {
  const connection = connectForTest(hub.url);
  const subscription = connection.subscribe(newChannel());
  await subscription.joined;
  const iterated = Array.fromAsync(subscription);
  connection.close();
  expect(await iterated).toEqual([]);
  expect(connection.state.state).toBe('closed');
});

test('a stream without heartbeats is closed, and the next one continues', async () => {
  const channel = newChannel();
  const proxy = await startProxy(hub.url);
  const connection = connectForTest(proxy.url, { heartbeatMarginMs: 50, readyTimeoutMs: 1000 });
  const states: unknown[] = [];
  const seen: unknown[] = [];
  await connection.subscribe(channel, ({ data }) => seen.push(data)).joined;
  connection.on('state', ({ state, why }) => states.push([state, why]));
  proxy.stalls = true;
  await publishAll(channel, [1, 2]);
  await until(() => states.length > 0);
  proxy.stalls = false;
  await until(() => seen.length === 2);
  expect(states[0]).toEqual(['waiting', 'silent']);
  expect(seen).toEqual([1, 2]);
});

test('without WebSocket, and with event streams that a proxy buffers, it falls back and misses nothing', async () => {
  const channel = newChannel();
  const proxy = await startProxy(hub.url);
  proxy.blocksWebSockets = true;
  proxy.buffers = true;
  const cursor = await hub.publish(channel, 0);
  // A buffered event stream is silent for this time. A long poll that is as slow is tried again.
  const connection = connectForTest(proxy.url, {
    transports: ['websocket', 'sse', 'long-poll'],
    readyTimeoutMs: 2000,
  });
  const seen: unknown[] = [];
  const { joined } = connection.subscribe(channel, ({ data }) => seen.push(data), { after: cursor });
  await publishAll(channel, numbers(5));
  await joined;
  expect(connection.state.transport).toBe('long-poll');
  await publishAll(channel, [6, 7]);
  await until(() => seen.length >= 7);
  expect(seen).toEqual(numbers(7));
});

test('history does not wait for a WebSocket that is accepted and never answered', async () => {
  const channel = newChannel();
  const proxy = await startProxy(hub.url);
  proxy.swallowsWebSockets = true;
  await publishAll(channel, [1, 2, 3]);
  // Longer than this test may take: all events arrive without the WebSocket.
  const connection = connectForTest(proxy.url, { readyTimeoutMs: 600_000 });
  const seen: Record<string, unknown[]> = { last: [], all: [] };
  connection.subscribe(channel, ({ data }) => seen['last']?.push(data), { history: 2 });
  connection.subscribe(channel, ({ data }) => seen['all']?.push(data), { after: 'earliest' });
  await until(() => seen['last']?.length === 2 && seen['all']?.length === 3);
  expect(seen).toEqual({ last: [2, 3], all: [1, 2, 3] });
  expect(connection.state).toMatchObject({ state: 'connecting', transport: 'websocket' });
  expect(proxy.requests.filter((request) => request.startsWith('GET'))).toHaveLength(2);
});

test('a long history arrives complete while the stream is still connecting', async () => {
  const channel = newChannel();
  const proxy = await startProxy(hub.url);
  proxy.swallowsWebSockets = true;
  const items = numbers(1100).map((data) => JSON.stringify({ channel, data }));
  const body = items.join('\n');
  await fetch(`${hub.url}/v1/events`, { method: 'POST', headers: { 'Content-Type': 'application/x-ndjson' }, body });
  const connection = connectForTest(proxy.url, { readyTimeoutMs: 600_000 });
  const seen: unknown[] = [];
  connection.subscribe(channel, ({ data }) => seen.push(data), { after: 'earliest' });
  await until(() => seen.length >= 1100);
  expect(seen).toEqual(numbers(1100));
  expect(connection.state.state).toBe('connecting');
});

test('a WebSocket that is never answered times out, and the next transport continues after the history', async () => {
  const channel = newChannel();
  const proxy = await startProxy(hub.url);
  proxy.swallowsWebSockets = true;
  await publishAll(channel, [1, 2]);
  // An event stream that is as slow, on a busy machine, is tried again.
  const connection = connectForTest(proxy.url, { transports: ['websocket', 'sse'], readyTimeoutMs: 2000 });
  const seen: unknown[] = [];
  const { joined } = connection.subscribe(channel, ({ data }) => seen.push(data), { history: 5 });
  await until(() => seen.length === 2);
  await publishAll(channel, [3]);
  await joined;
  expect(connection.state).toMatchObject({ state: 'open', transport: 'sse' });
  await publishAll(channel, [4]);
  await until(() => seen.length >= 4);
  expect(seen).toEqual([1, 2, 3, 4]);
});

test('it moves back to a better transport as soon as that delivers, in mid-stream, without a loss or a duplicate', async () => {
  const channel = newChannel();
  const proxy = await startProxy(hub.url);
  proxy.blocksWebSockets = true;
  const connection = connectForTest(proxy.url, { probeBaseMs: 100, probeCapMs: 100 });
  const transports: unknown[] = [];
  connection.on('state', ({ state, transport }) => state === 'open' && transports.push(transport));
  const seen: unknown[] = [];
  await connection.subscribe(channel, ({ data }) => seen.push(data)).joined;
  let last = 0;
  while (connection.state.transport !== 'websocket') {
    await hub.publish(channel, ++last);
    if (last === 20) proxy.blocksWebSockets = false;
  }
  await hub.publish(channel, ++last);
  await until(() => seen.length >= last);
  expect(seen).toEqual(numbers(last));
  expect(transports).toEqual(['sse', 'websocket']);
});

test('lost events are reported as a gap, to the subscription and the connection', async () => {
  const channel = newChannel();
  const lost = await hubForTest();
  const proxy = await startProxy(lost.url);
  const connection = connectForTest(proxy.url);
  const gaps: unknown[] = [];
  const seen: unknown[] = [];
  connection.on('gap', ({ gap }) => gaps.push(gap));
  const subscription = connection.subscribe(channel, ({ data }) => seen.push(data), { onGap: (gap) => gaps.push(gap) });
  await subscription.joined;
  const from = await lost.publish(channel, 1);
  await until(() => seen.length === 1);
  // Another log: the hub does not know the events of the previous one.
  proxy.target = hub.url;
  await lost.kill();
  await until(() => gaps.length > 0);
  await hub.publish(channel, 2);
  await until(() => seen.length === 2);
  const gap = { from, to: expect.any(String), reason: 'epoch' };
  expect(gaps).toEqual([gap, gap]);
});

test('a publish whose answer was lost is retried and published once', async () => {
  const channel = newChannel();
  const proxy = await startProxy(hub.url);
  const connection = connectForTest(proxy.url, { transports: ['sse'] });
  proxy.losesNextAnswer = true;
  const published = await connection.publish(channel, 'once', { type: 'greeting' });
  expect(proxy.requests.filter((request) => request.startsWith('POST'))).toHaveLength(2);
  const subscription = connection.subscribe(channel, { after: 'earliest' });
  await hub.publish(channel, 'end');
  const seen = [];
  for await (const event of subscription) {
    seen.push([event.id, event.type, event.data]);
    if (event.data === 'end') break;
  }
  expect(seen).toEqual([
    [published.id, 'greeting', 'once'],
    [expect.any(String), undefined, 'end'],
  ]);
});

test('a refused publish rejects with the hub’s code', async () => {
  const channel = newChannel();
  const connection = connectForTest(hub.url);
  await connection.publish(channel, 1);
  const { id } = await connection.publish(channel, 2);
  await expect(connection.publish(channel, 3, { ifMatch: id })).resolves.toMatchObject({ channel });
  await expect(connection.publish(channel, 4, { ifMatch: id })).rejects.toMatchObject({
    code: 'precondition_failed',
    problem: { status: 412 },
  });
  await connection.subscribe(channel, () => undefined).joined;
  await expect(connection.publish(channel, 4, { ifMatch: id })).rejects.toMatchObject({ code: 'precondition_failed' });
});

test('an invalid pattern is refused immediately', () => {
  const connection = connectForTest(hub.url);
  for (const channel of ['a..b', 'orders 42', ''])
    expect(() => connection.subscribe(channel, () => undefined)).toThrow(
      expect.objectContaining({
        code: 'invalid_pattern',
        message: `"${channel}" is not a channel: tokens of A-Z a-z 0-9 _ - joined by dots`,
      }),
    );
  expect(() => connection.subscribe([], () => undefined)).toThrow(expect.objectContaining({ code: 'channel_missing' }));
});

test("a page that is loaded again continues at its consumers' positions", async () => {
  const channel = newChannel();
  const stored = new Map<string, string>();
  const storage = {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => void stored.set(key, value),
    removeItem: (key: string) => void stored.delete(key),
  };
  const seen: unknown[] = [];
  for (const page of [0, 1, 2]) {
    const connection = connectForTest(hub.url, { remember: 'attach', storage });
    await connection.subscribe(channel, ({ data }) => seen.push(data)).joined;
    await publishAll(channel, [page * 2 + 1]);
    await until(() => seen.length === page * 2 + 1);
    connection.close();
    await publishAll(channel, [page * 2 + 2]);
  }
  expect(seen).toEqual([1, 2, 3, 4, 5]);
});

test('`history` applies to clients without a position: with `remember` a page continues at its position', async () => {
  const channel = newChannel();
  await publishAll(channel, numbers(9));
  const stored = new Map<string, string>();
  const storage = {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => void stored.set(key, value),
    removeItem: (key: string) => void stored.delete(key),
  };
  const load = async (): Promise<unknown[]> => {
    const seen: unknown[] = [];
    const connection = connectForTest(hub.url, { remember: 'attach', storage });
    const last = (await hub.publish(channel, 'last')) && 'last';
    connection.subscribe(channel, ({ data }) => seen.push(data), { history: 3 });
    await until(() => seen.includes(last));
    connection.close();
    return seen;
  };
  expect(await load()).toEqual([8, 9, 'last']);
  await publishAll(channel, [11, 12, 13, 14, 15]);
  expect(await load()).toEqual([11, 12, 13, 14, 15, 'last']);
});

test.each(TRANSPORTS)(
  'a subscription right after the last one ended uses the open connection: %s',
  async (transport) => {
    const [one, other] = [newChannel(), newChannel()];
    const proxy = await startProxy(hub.url);
    const connection = connectForTest(proxy.url, { transports: [transport] });
    const states: string[] = [];
    connection.on('state', ({ state }) => states.push(state));
    const first = connection.subscribe(one, () => undefined);
    await first.joined;
    first.close();
    const seen: unknown[] = [];
    const second = connection.subscribe(other, ({ data }) => seen.push(data));
    await second.joined;
    await publishAll(other, [1, 2]);
    await until(() => seen.length === 2);
    expect(states).toEqual(['waiting', 'connecting', 'open']);
    second.close();
    await until(() => connection.state.state === 'idle');
    expect(states).toEqual(['waiting', 'connecting', 'open', 'idle']);
  },
);

test('operations in flight when the application closes reject with an error of the client', async () => {
  const proxy = await startProxy(hub.url);
  proxy.stalls = true;
  const connection = connectForTest(proxy.url);
  const subscription = connection.subscribe(newChannel(), () => undefined);
  const underWay = [subscription.joined, connection.publish('a', 1), connection.fetch('channels/a/history')];
  connection.close();
  for (const each of [...underWay, connection.publish('a', 1), connection.subscribe('a', () => undefined).joined])
    await expect(each).rejects.toMatchObject({ name: 'PolycastError', code: 'closed' });
});

test('closing aborts requests that have a signal of their own, and that signal still works', async () => {
  const proxy = await startProxy(hub.url);
  proxy.stalls = true;
  const connection = connectForTest(proxy.url);
  const controller = new AbortController();
  const { signal } = controller;
  const own = connection.fetch('channels/a/history', { signal }).then((response) => response.text());
  const others = connection.fetch('channels/a/history', { signal: new AbortController().signal });
  const read = others.then((response) => response.text());
  controller.abort(new Error('Enough.'));
  await expect(own).rejects.toThrow('Enough.');
  connection.close();
  await expect(read).rejects.toMatchObject({ name: 'PolycastError', code: 'closed' });
});

test('clients of a hub that stops reconnect to the next hub and resume', async () => {
  const channel = newChannel();
  const first = await hubForTest();
  const proxy = await startProxy(first.url);
  const connection = connectForTest(proxy.url);
  const states: unknown[] = [];
  connection.on('state', ({ state }) => states.push(state));
  await connection.subscribe(channel, () => undefined).joined;
  await first.terminate();
  proxy.target = hub.url;
  await until(() => states.filter((state) => state === 'open').length === 2);
});
