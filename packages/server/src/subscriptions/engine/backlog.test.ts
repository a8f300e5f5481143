import { expect, test, vi } from 'vitest';
import { record } from '../../storage/contract/log/log-fixtures.ts';
import { createMemoryLog } from '../../storage/memory/memory-log.ts';
import {
  answerWith,
  openSubscriptionKit,
  openReceiver,
  webhook,
  type SubscriptionKit,
} from '../../testing/subscription-kit.ts';
import { openPullQueue, pullQueueOf } from '../../testing/pull-queue.ts';

async function publishAll(kit: SubscriptionKit, channel: string, count: number): Promise<void> {
  for (let data = 0; data < count; data++) await kit.publish(channel, data);
}

test('events behind a failing one are counted, also after a restart, until all of them are done', async () => {
  const receiver = await openReceiver();
  receiver.answer = answerWith(500);
  const kit = await openSubscriptionKit();
  // The next attempt comes soon after the restart, and not before it.
  const retryDelaysMs = Array.from({ length: 100 }, () => 60_000);
  const id = await kit.create(webhook(receiver.url, {}, { retryDelaysMs }));
  await publishAll(kit, 'a.1', 60);
  const behind = { inFlight: 0, failing: 1, waiting: 59, deadLetters: 0, lagEvents: 60, lagPositions: 0 };
  await vi.waitFor(() => expect(kit.engine.subscriptions.backlog(id)).toMatchObject(behind));
  expect((await kit.engine.measureLag()).states['active']).toMatchObject({ lagEventsMax: 60 });
  await kit.close();

  const next = await openSubscriptionKit({ persisted: kit, speed: 60 });
  const { subscriptions } = next.engine;
  expect(subscriptions.backlog(id)).toMatchObject(behind);
  expect((await next.engine.measureLag()).states['active']).toMatchObject({ lagEventsMax: 60 });
  await vi.waitFor(() => expect(subscriptions.backlog(id).lagMs).toBeGreaterThan(0));
  await publishAll(next, 'a.1', 5);
  await vi.waitFor(() =>
    expect(subscriptions.backlog(id)).toMatchObject({ waiting: 64, lagEvents: 65, lagPositions: 0 }),
  );
  receiver.answer = answerWith(204);
  const nothing = { inFlight: 0, failing: 0, waiting: 0, lagEvents: 0, lagMs: 0 };
  await vi.waitFor(() => expect(subscriptions.backlog(id)).toMatchObject(nothing));
});

test('the lag of an event that no worker has taken counts from its publish time', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit);
  expect(await queue.pull()).toEqual([]);
  expect(kit.engine.subscriptions.backlog(queue.id)).toMatchObject({ lagEvents: 0, lagMs: 0 });
  // The queue is at the head of the log, and two events wake it that another hub has delayed.
  const agesMs = [60_000, 50_000];
  await kit.log.append(agesMs.map((ageMs) => record('jobs.1', { timeMs: Date.now() - ageMs })));
  const { lagEvents, lagMs } = kit.engine.subscriptions.backlog(queue.id);
  expect(lagEvents).toBe(2);
  expect(lagMs).toBeGreaterThanOrEqual(60_000);
  expect(lagMs).toBeLessThan(90_000);
});

test('events of other channels are no lag of an idle queue that a gap waits for', async () => {
  const before = await openSubscriptionKit();
  const { id } = await openPullQueue(before, { channels: ['print.>'] });
  await before.publish('print.1', 'done');
  pullQueueOf(before, id).acknowledge(...(await pullQueueOf(before, id).pull({ countMax: 1 })));
  await before.close();
  const kit = await openSubscriptionKit({ persisted: { log: createMemoryLog(), state: before.state } });
  await publishAll(kit, 'other.1', 22);
  const backlog = (): object => kit.engine.subscriptions.backlog(id);
  expect(backlog()).toMatchObject({ lagEvents: 1, lagPositions: 22 });
  expect((await kit.engine.measureLag()).states['active']).toMatchObject({ lagEventsMax: 1 });
  await kit.publish('print.1', 'new');
  await publishAll(kit, 'other.1', 3);
  expect(backlog()).toMatchObject({ lagEvents: 2, lagPositions: 26 });
});

test('the events of a batch in flight are counted, and those behind it', async () => {
  const receiver = await openReceiver();
  const answers: (() => void)[] = [];
  receiver.answer = (_received, response) => void answers.push(() => response.writeHead(204).end());
  const kit = await openSubscriptionKit();
  const options = webhook(receiver.url, { concurrencyMax: 1 }, { batch: { countMax: 4, waitMs: 60_000 } });
  const id = await kit.create(options);
  await publishAll(kit, 'a.1', 7);
  await vi.waitFor(() =>
    expect(kit.engine.subscriptions.backlog(id)).toMatchObject({ inFlight: 4, failing: 0, waiting: 3, lagEvents: 7 }),
  );
  for (const answer of answers) answer();
});

test.each(['none', 'per-channel'] as const)('events without a lease are counted: order %s', async (ordering) => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit, { ordering });
  const backlog = (): object => kit.engine.subscriptions.backlog(queue.id);
  await publishAll(kit, 'jobs.a', 50);
  expect(backlog()).toMatchObject({ inFlight: 0, waiting: 0, lagEvents: 50, lagPositions: 50 });
  const events = await queue.pull({ countMax: 1 });
  expect(backlog()).toMatchObject({ inFlight: 1, waiting: 49, lagEvents: 50, lagPositions: 0 });
  queue.acknowledge(...events);
  expect(backlog()).toMatchObject({ inFlight: 0, waiting: 49, lagEvents: 49, lagPositions: 0 });
});

/** Publishes more than a hub reads back into memory when it starts. */
async function fillLog(kit: SubscriptionKit, channel: string): Promise<void> {
  await publishAll(kit, channel, 3);
  for (let count = 0; count < 10; count++) await kit.publish(channel, 'x'.repeat(90_000));
}

test('after a restart the lag of an idle queue counts matching events that are no longer in memory', async () => {
  const before = await openSubscriptionKit();
  const idle = await openPullQueue(before, { channels: ['print.>'] });
  const some = await openPullQueue(before, { channels: ['jobs.>'] });
  const filtered = await openPullQueue(before, { channels: ['jobs.>'], filter: { equals: ['/data', 'never'] } });
  const paused = await openPullQueue(before, { channels: ['print.>', 'jobs.b'] });
  await before.engine.subscriptions.pause(paused.id);
  await publishAll(before, 'jobs.a', 7);
  await fillLog(before, 'other.1');
  await publishAll(before, 'jobs.b', 4);
  // As after a crash: nothing was closed.
  const kept = { log: before.log, state: structuredClone(before.state) };

  const kit = await openSubscriptionKit({ persisted: kept });
  const { subscriptions } = kit.engine;
  await vi.waitFor(() => {
    expect(subscriptions.backlog(idle.id)).toMatchObject({ lagEvents: 0, lagMs: 0, lagPositions: 0 });
    expect(subscriptions.backlog(some.id)).toMatchObject({ lagEvents: 11 });
    expect(subscriptions.backlog(filtered.id)).toMatchObject({ lagEvents: 0, lagMs: 0 });
    expect(subscriptions.backlog(paused.id)).toMatchObject({ lagEvents: 4 });
  });
  expect((await kit.engine.measureLag()).states['active']).toMatchObject({ lagEventsMax: 11 });
  const events = await pullQueueOf(kit, some.id).pull({ countMax: 5 });
  expect(subscriptions.backlog(some.id)).toMatchObject({ inFlight: 5, lagEvents: 11 });
  pullQueueOf(kit, some.id).acknowledge(...events);
  await vi.waitFor(() => expect(subscriptions.backlog(some.id)).toMatchObject({ lagEvents: 6 }));
  // The position of the idle subscription is stored, so the next hub need not count.
  await kit.close();
  expect(kit.state.subscriptions.get(idle.id)?.status?.cursor).toBe(kit.log.state.head);
});
