import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { connectForTest, until } from '../../client/src/testing/connections.ts';
import { startTestHub, type TestHub } from '../../client/src/testing/hub.ts';
import { channelSource, type ChannelSnapshot } from './channel-source.ts';
import { createStore, type Store } from './store.ts';

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub.kill());

function datasOf(store: Store<ChannelSnapshot<unknown>>): unknown[] {
  return store.getSnapshot().events.map(({ data }) => data);
}

test('a store that was stopped has all events that arrived before, and the next reader continues behind them', async () => {
  const connection = connectForTest(hub.url);
  const store = createStore(
    channelSource(connection, { channels: 'stopped', eventsMax: 10, history: 10, onEvent: () => stop() }),
  );
  await hub.publish('stopped', 1);
  const gone = Promise.withResolvers<void>();
  const unsubscribe = store.subscribe(() => undefined);
  function stop(): void {
    unsubscribe();
    gone.resolve();
  }
  await gone.promise;
  expect([datasOf(store), store.getSnapshot().isJoined]).toEqual([[1], false]);
  await hub.publish('stopped', 2);
  onTestFinished(store.subscribe(() => undefined));
  await until(() => datasOf(store).length > 1);
  expect(datasOf(store)).toEqual([1, 2]);
});

test('an event whose listener throws is in the list, and the page hears of the error', async () => {
  const reported = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  onTestFinished(() => reported.mockRestore());
  const onEvent = (): void => {
    throw new Error('of the page');
  };
  const store = createStore(
    channelSource(connectForTest(hub.url), { channels: 'thrown', eventsMax: 10, history: 10, onEvent }),
  );
  for (const data of [1, 2]) await hub.publish('thrown', data);
  onTestFinished(store.subscribe(() => undefined));
  await until(() => datasOf(store).length === 2);
  expect(reported).toHaveBeenCalledTimes(2);
});

test('a connection that has ended joins no channel', async () => {
  const connection = connectForTest(hub.url);
  const store = createStore(channelSource(connection, { channels: 'ended', eventsMax: 10, onEvent: () => undefined }));
  onTestFinished(store.subscribe(() => undefined));
  await until(() => store.getSnapshot().isJoined);
  connection.close();
  expect(store.getSnapshot().isJoined).toBe(false);
});
