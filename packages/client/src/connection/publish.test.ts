import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectForTest, numbers, until } from '../testing/connections.ts';
import { hubForTest, startTestHub, type TestHub } from '../testing/hub.ts';
import { startProxy } from '../testing/proxy.ts';

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub.kill());

/** All events of a channel, in order. */
async function published(channel: string): Promise<unknown[]> {
  const response = await fetch(`${hub.url}/v1/channels/${channel}/history?limit=1000`);
  return ((await response.json()) as { events: { data: unknown }[] }).events.map(({ data }) => data);
}

test.each(['websocket', 'sse'] as const)(
  'events that are published while the hub is down are sent when it is up, once and in order, over %s',
  async (transport) => {
    const channel = `queue.${transport}`;
    const away = await hubForTest();
    const proxy = await startProxy(away.url);
    const connection = connectForTest(proxy.url, { transports: [transport] });
    await connection.subscribe('other', () => undefined).joined;
    await away.kill();
    const ids = Promise.all(numbers(50).map((number) => connection.publish(channel, number)));
    await until(() => connection.state.state === 'waiting');
    proxy.target = hub.url;
    const sorted = (await ids).map(({ id }) => id);
    expect(sorted).toEqual(sorted.toSorted());
    expect(await published(channel)).toEqual(numbers(50));
  },
);

test('lost answers change neither the order nor the number of events', async () => {
  const proxy = await startProxy(hub.url);
  const connection = connectForTest(proxy.url, { transports: ['sse'] });
  const publishing: Promise<unknown>[] = [];
  for (const number of numbers(12)) {
    if (number % 4 === 0) {
      await Promise.all(publishing);
      proxy.losesNextAnswer = true;
    }
    publishing.push(connection.publish('queue.lost', number));
  }
  await Promise.all(publishing);
  expect(await published('queue.lost')).toEqual(numbers(12));
});

test('a waiting event is sent with the data that it had at its publish', async () => {
  const connection = connectForTest(hub.url);
  const data = { count: 1 };
  const publishing = [connection.publish('queue.copied', data)];
  data.count = 2;
  publishing.push(connection.publish('queue.copied', data));
  data.count = 3;
  await Promise.all(publishing);
  expect(await published('queue.copied')).toEqual([{ count: 1 }, { count: 2 }]);
});

test('a refused event does not block later ones', async () => {
  const connection = connectForTest(hub.url);
  const refused = connection.publish('not a channel', 1);
  const taken = connection.publish('queue.after', 2);
  await expect(refused).rejects.toMatchObject({ code: 'invalid_channel', detail: expect.any(String) });
  await expect(taken).resolves.toMatchObject({ channel: 'queue.after' });
});

test('an unordered event does not wait for the queue', async () => {
  const proxy = await startProxy(hub.url);
  const connection = connectForTest(proxy.url, { transports: ['sse'] });
  proxy.stalls = true;
  void connection.publish('queue.first', 1).catch(() => undefined);
  await until(() => proxy.requests.length === 1);
  proxy.stalls = false;
  await connection.publish('queue.beside', 2, { inOrder: false });
  expect(await published('queue.beside')).toEqual([2]);
});

test('the queue is bounded in number and in length', async () => {
  const proxy = await startProxy('http://127.0.0.1:9');
  const full = connectForTest(proxy.url);
  for (const number of numbers(1000)) void full.publish('queue.full', number).catch(() => undefined);
  await expect(full.publish('queue.full', 1001)).rejects.toMatchObject({ code: 'overloaded' });
  const heavy = connectForTest(proxy.url);
  for (let count = 0; count < 3; count++) void heavy.publish('queue.heavy', 'x'.repeat(300_000)).catch(() => undefined);
  await expect(heavy.publish('queue.heavy', 'x'.repeat(300_000))).rejects.toMatchObject({ code: 'overloaded' });
  await expect(connectForTest(hub.url).publish('queue.free', 1)).resolves.toBeDefined();
});

test('without a hub all waiting events are given up at the end of their time, together', async () => {
  const proxy = await startProxy('http://127.0.0.1:9');
  const connection = connectForTest(proxy.url, { publishTimeoutMs: 200 });
  const begunMs = performance.now();
  const settled = await Promise.allSettled(numbers(300).map((number) => connection.publish('queue.late', number)));
  expect(settled.map(({ status }) => status)).toEqual(settled.map(() => 'rejected'));
  // One after the other, they would take a minute.
  expect(performance.now() - begunMs).toBeLessThan(30_000);
});
