import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { connectForTest, until } from '../../client/src/testing/connections.ts';
import { hubForTest, startTestHub, type TestHub } from '../../client/src/testing/hub.ts';
import { TOKEN_SETTINGS, tokenOf } from '../../client/src/testing/tokens.ts';
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

test.each(['websocket', 'sse', 'long-poll', 'short-poll'] as const)(
  'a refusal after joining is shown over %s, and other channels go on',
  async (transport) => {
    const identified = await hubForTest({
      settings: ['access=rules', 'identity.expiringSeconds=1', ...TOKEN_SETTINGS],
    });
    let allowed = ['left', 'stays'];
    const connection = connectForTest(identified.url, {
      transports: [transport],
      // It is valid when the hub sees it, also where the machine stands still for some seconds.
      getToken: () => tokenOf('ada', 6, { polycast: { subscribe: allowed } }),
    });
    connection.on('error', () => undefined);
    const [left, stays] = ['left', 'stays'].map((channels) => {
      const store = createStore(channelSource(connection, { channels, eventsMax: 10, onEvent: () => undefined }));
      onTestFinished(store.subscribe(() => undefined));
      return store;
    }) as [Store<ChannelSnapshot<unknown>>, Store<ChannelSnapshot<unknown>>];
    await until(() => left.getSnapshot().isJoined && stays.getSnapshot().isJoined);
    allowed = ['stays'];
    await until(() => left.getSnapshot().error !== undefined);
    expect(left.getSnapshot()).toMatchObject({ isJoined: false, error: { code: 'forbidden' } });
    expect(stays.getSnapshot()).toMatchObject({ isJoined: true, error: undefined });
  },
);

test('a connection that has ended joins no channel', async () => {
  const connection = connectForTest(hub.url);
  const store = createStore(channelSource(connection, { channels: 'ended', eventsMax: 10, onEvent: () => undefined }));
  onTestFinished(store.subscribe(() => undefined));
  await until(() => store.getSnapshot().isJoined);
  connection.close();
  expect(store.getSnapshot().isJoined).toBe(false);
});
