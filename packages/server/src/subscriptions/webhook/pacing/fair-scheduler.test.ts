import { expect, test, vi } from 'vitest';
import { FairScheduler, type FairlyScheduled } from './fair-scheduler.ts';
import { answerWith, openSubscriptionKit, openReceiver, webhook } from '../../../testing/subscription-kit.ts';

test('endpoints that hang or fail leave the others their share of the requests', async () => {
  const receiver = await openReceiver();
  const hanging = new Map<string, () => void>();
  receiver.answer = ({ url }, response) => {
    if (url.startsWith('/hang')) hanging.set(url, () => response.destroy());
    else response.writeHead(url.startsWith('/fail') ? 500 : 204).end();
  };
  const kit = await openSubscriptionKit({ settings: { requestsMax: 16 } });
  const base = receiver.url.replace('/hook', '');
  const make = async (kind: string, count: number): Promise<void> => {
    for (let index = 0; index < count; index++)
      await kit.create(webhook(`${base}/${kind}/${index}`, { channels: ['a.*'] }, { timeoutMs: 60_000 }));
  };
  await make('well', 10);
  await kit.publish('a.0', 0);
  await receiver.until(({ length }) => length === 10);
  await make('hang', 100);
  await make('fail', 100);
  for (let count = 1; count <= 20; count++) await kit.publish(`a.${count % 3}`, count);
  const well = (): number => receiver.received.filter(({ url }) => url.startsWith('/well')).length;
  await vi.waitFor(() => expect(well()).toBe(10 * 21));
  expect(hanging.size).toBeLessThanOrEqual(12);
  expect(kit.engine.counts.webhooks.inFlight).toBeLessThanOrEqual(16);
  receiver.answer = answerWith(204);
  for (const end of hanging.values()) end();
});

test('of the endpoints that one event wakes, the oldest is first', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit({ settings: { requestsMax: 1 } });
  const urls = Array.from({ length: 20 }, (_, index) => `/hook/${index}`);
  const base = receiver.url.replace('/hook', '');
  for (const url of urls) await kit.create(webhook(base + url, { channels: ['a.*'] }));
  // Each one has had its first turn, without an event.
  await new Promise(setImmediate);
  await kit.publish('a.0', 1);
  await receiver.until(({ length }) => length === urls.length);
  expect(receiver.received.map(({ url }) => url)).toEqual(urls);
});

test('an endpoint at which everything fails is tried seldom, and has its full share again after a success', async () => {
  const receiver = await openReceiver();
  receiver.answer = answerWith(503);
  const kit = await openSubscriptionKit({ speed: 100 });
  const { subscriptions } = kit.engine;
  const retryDelaysMs = [5000, 300_000, 1_800_000, 7_200_000];
  const options = webhook(receiver.url, { ordering: 'none' }, { retryDelaysMs });
  const id = await kit.create(options);
  for (let count = 0; count < 500; count++) await kit.publish('a.1', count);
  await vi.waitFor(() => expect(subscriptions.backlog(id).failing).toBeGreaterThan(4));
  const { length } = receiver.received;
  expect(length).toBeLessThan(100);
  receiver.answer = answerWith(204);
  await vi.waitFor(() => expect(subscriptions.backlog(id)).toMatchObject({ failing: 0, lagPositions: 0, inFlight: 0 }));
  expect(receiver.received.length).toBeGreaterThanOrEqual(length + 500);
  expect(subscriptions.backlog(id).deadLetters).toBe(0);
});

test('endpoints without a success start no more requests than unproven ones may', async () => {
  const scheduler: FairScheduler<FairlyScheduled> = new FairScheduler(100, (_entry, quantum) => {
    for (let count = 0; count < quantum; count++) scheduler.onStarted(true);
    return quantum;
  });
  const entries: FairlyScheduled[] = Array.from({ length: 20 }, () => ({ isHealthy: false, queuedAs: undefined }));
  for (const entry of entries) scheduler.schedule(entry);
  await vi.waitFor(() => expect(scheduler.inFlight).toBeGreaterThanOrEqual(75));
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
  expect(scheduler.inFlight).toBe(75);
});
