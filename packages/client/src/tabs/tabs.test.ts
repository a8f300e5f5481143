import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Connection } from '../index.ts';
import { connectForTest, numbers, until } from '../testing/connections.ts';
import { startTestHub, type TestHub } from '../testing/hub.ts';
import { startProxy } from '../testing/proxy.ts';
import { shareTabs } from '../tabs.ts';

// Node has Web Locks and BroadcastChannel, as browsers do: each connection here is a tab.

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub.kill());

interface Tab {
  readonly connection: Connection;
  readonly seen: unknown[];
}

async function openTabs(url: string, channel: string, count: number): Promise<Tab[]> {
  const tabs = Array.from({ length: count }, (): Tab => ({
    connection: connectForTest(url, { share: shareTabs() }),
    seen: [],
  }));
  await Promise.all(
    tabs.map(({ connection, seen }) => connection.subscribe(channel, ({ data }) => seen.push(data)).joined),
  );
  return tabs;
}

test('five tabs share one connection, and each receives every event', async () => {
  const proxy = await startProxy(hub.url);
  const tabs = await openTabs(proxy.url, 'tabs.five', 5);
  for (const number of numbers(20)) await hub.publish('tabs.five', number);
  await until(() => tabs.every(({ seen }) => seen.length >= 20));
  expect(tabs.map(({ seen }) => seen)).toEqual(tabs.map(() => numbers(20)));
  expect(tabs.map(({ connection }) => connection.state.transport)).toEqual(tabs.map(() => 'tab'));
  expect(proxy.streams()).toBe(1);
  expect(proxy.requests.filter((request) => request.startsWith('UPGRADE'))).toHaveLength(1);
});

test('when the leading tab closes, the next takes over, and no tab misses an event', async () => {
  const proxy = await startProxy(hub.url);
  const tabs = await openTabs(proxy.url, 'tabs.next', 4);
  let last = 0;
  while (tabs.length > 1) {
    for (let count = 0; count < 5; count++) await hub.publish('tabs.next', ++last);
    tabs.shift()?.connection.close();
    for (let count = 0; count < 5; count++) await hub.publish('tabs.next', ++last);
    await until(() => tabs.every(({ seen }) => seen.length >= last));
    expect(tabs.map(({ seen }) => seen)).toEqual(tabs.map(() => numbers(last)));
  }
  await until(() => proxy.streams() === 1);
});

test('tabs have subscriptions of their own, and publish through the leading tab', async () => {
  const proxy = await startProxy(hub.url);
  const [first, second] = (await openTabs(proxy.url, 'tabs.own.>', 2)) as [Tab, Tab];
  const own: unknown[] = [];
  await first.connection.publish('tabs.own.a', 1);
  const subscription = second.connection.subscribe('tabs.own.a', ({ data }) => own.push(data), { after: 'earliest' });
  await subscription.joined;
  await second.connection.publish('tabs.own.a', 2);
  await second.connection.publish('tabs.own.b', 3);
  await until(() => first.seen.length === 3 && own.length === 2);
  expect([first.seen, second.seen, own]).toEqual([
    [1, 2, 3],
    [1, 2, 3],
    [1, 2],
  ]);
  expect(proxy.requests.filter((request) => request.startsWith('POST'))).toEqual([]);
  subscription.close();
  await first.connection.publish('tabs.own.a', 4);
  await until(() => second.seen.length === 4);
  expect(own).toEqual([1, 2]);
});

test('during an outage of the hub the tabs wait for the leading tab, and continue at their positions', async () => {
  const away = await startTestHub();
  const proxy = await startProxy(away.url);
  const tabs = await openTabs(proxy.url, 'tabs.away', 3);
  await away.kill();
  proxy.target = hub.url;
  await hub.publish('tabs.away', 1);
  await until(() => proxy.streams() === 1);
  await hub.publish('tabs.away', 2);
  await until(() => tabs.every(({ seen }) => seen.at(-1) === 2));
  expect(proxy.streams()).toBe(1);
});

test('tabs of another name have a connection of their own', async () => {
  const proxy = await startProxy(hub.url);
  for (const name of ['one', 'other', 'one'])
    await connectForTest(proxy.url, { share: shareTabs(name) }).subscribe('tabs.names', () => undefined).joined;
  expect(proxy.streams()).toBe(2);
});
