import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import type { CursorStorage } from './connection/options.ts';
import { createOutbox, type Unsent } from './outbox.ts';
import { connectForTest, numbers, until } from './testing/connections.ts';
import { hubForTest, startTestHub, type TestHub } from './testing/hub.ts';
import { startProxy } from './testing/proxy.ts';

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub.kill());

/** A browser's storage, which survives the page. */
function createStorage(): CursorStorage {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}

async function published(url: string, channel: string): Promise<unknown[]> {
  const response = await fetch(`${url}/v1/channels/${channel}/history?limit=1000`);
  return ((await response.json()) as { events: { data: unknown }[] }).events.map(({ data }) => data);
}

test('events that were written without a network are published after a reload, once and in order', async () => {
  const proxy = await startProxy('http://127.0.0.1:9');
  const storage = createStorage();
  const closed = connectForTest(proxy.url);
  const outbox = createOutbox(closed, 'notes', { storage });
  for (const number of numbers(5)) outbox.publish('outbox.notes', number, { type: 'note' });
  expect(outbox.unsent.map(({ data }) => data)).toEqual(numbers(5));
  closed.close();

  proxy.target = hub.url;
  const seen: (readonly Unsent[])[] = [];
  const reopened = createOutbox(connectForTest(proxy.url), 'notes', {
    storage,
    onChange: (unsent) => seen.push(unsent),
  });
  reopened.publish('outbox.notes', 6);
  await until(() => reopened.unsent.length === 0);
  expect(await published(hub.url, 'outbox.notes')).toEqual(numbers(6));
  expect(seen.map(({ length }) => length)).toEqual([6, 5, 4, 3, 2, 1, 0]);
  expect(createOutbox(connectForTest(hub.url), 'notes', { storage }).unsent).toEqual([]);
});

test('an event whose answer was lost, and which a reloaded page and a second tab send again, is published once', async () => {
  const proxy = await startProxy(hub.url);
  const storage = createStorage();
  const first = connectForTest(proxy.url, { transports: ['sse'] });
  proxy.losesNextAnswer = true;
  createOutbox(first, 'notes', { storage }).publish('outbox.lost', 'once');
  await until(() => proxy.requests.some((request) => request.startsWith('POST')));
  first.close();
  const tabs = [1, 2].map(() => createOutbox(connectForTest(hub.url), 'notes', { storage }));
  await until(() => tabs.every(({ unsent }) => unsent.length === 0));
  expect(await published(hub.url, 'outbox.lost')).toEqual(['once']);
});

test('a refused event leaves the outbox with its error, and the next one is sent', async () => {
  const strict = await hubForTest({ settings: ['rules=[{"pattern":"short.>","eventBytesMax":100}]'] });
  const refused: unknown[] = [];
  const outbox = createOutbox(connectForTest(strict.url), 'notes', {
    storage: createStorage(),
    onRefused: ({ data }, { code }) => refused.push([data, code]),
  });
  outbox.publish('short.notes', 'x'.repeat(200));
  outbox.publish('short.notes', 'ok');
  await until(() => outbox.unsent.length === 0);
  expect(refused).toEqual([['x'.repeat(200), 'event_too_large']]);
  expect(await published(strict.url, 'short.notes')).toEqual(['ok']);
});

test('errors of listeners, and data that JSON cannot have, do not stop the outbox', async () => {
  const reported = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  onTestFinished(() => reported.mockRestore());
  const outbox = createOutbox<unknown>(connectForTest(hub.url), 'notes', {
    storage: createStorage(),
    onChange() {
      throw new Error('of the page');
    },
  });
  const circular: { self?: unknown } = {};
  circular.self = circular;
  expect(() => outbox.publish('outbox.errors', circular)).toThrow(TypeError);
  for (const number of numbers(2)) outbox.publish('outbox.errors', number);
  await until(() => outbox.unsent.length === 0);
  expect(await published(hub.url, 'outbox.errors')).toEqual(numbers(2));
  expect(reported).toHaveBeenCalledTimes(4);
});

test('events of a user who is no longer allowed wait for the next login', async () => {
  const closedHub = await hubForTest({ settings: ['access=rules'] });
  const storage = createStorage();
  const connection = connectForTest(closedHub.url, { token: 'nobody' });
  const outbox = createOutbox(connection, 'notes', { storage });
  outbox.publish('outbox.notes', 'later');
  // A connection publishes in order: when this is refused, the outbox knows its own refusal.
  await expect(connection.publish('a', 1)).rejects.toMatchObject({ code: 'unauthorized' });
  await setImmediate();
  expect(outbox.unsent).toHaveLength(1);
  expect(() => {
    for (const number of numbers(1001)) outbox.publish('outbox.notes', number);
  }).toThrow(RangeError);
});

test('data that is too large is refused immediately, and holds up no other event', async () => {
  const outbox = createOutbox(connectForTest(hub.url), 'notes', { storage: createStorage() });
  expect(() => outbox.publish('outbox.large', 'x'.repeat(250_000))).toThrow('The event is too large.');
  outbox.publish('outbox.large', 'ok');
  await until(() => outbox.unsent.length === 0);
  expect(await published(hub.url, 'outbox.large')).toEqual(['ok']);
});

test('a refusal that nobody listens for is in the console', async () => {
  const reported = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  onTestFinished(() => reported.mockRestore());
  const outbox = createOutbox(connectForTest(hub.url), 'notes', { storage: createStorage() });
  outbox.publish('no channel', 1);
  await until(() => outbox.unsent.length === 0);
  expect(reported.mock.calls).toMatchObject([[{ code: 'invalid_channel' }]]);
});

test('a storage that refuses costs only the reload', async () => {
  const full: CursorStorage = {
    getItem: () => '{',
    setItem() {
      throw new Error('full');
    },
    removeItem() {},
  };
  const outbox = createOutbox(connectForTest(hub.url), 'notes', { storage: full });
  outbox.publish('outbox.full', 'in memory');
  await until(() => outbox.unsent.length === 0);
  expect(await published(hub.url, 'outbox.full')).toEqual(['in memory']);
});
