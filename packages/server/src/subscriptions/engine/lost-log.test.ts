import { encodeCursor } from '@polycast/protocol';
import { expect, test, vi } from 'vitest';
import type { LeasedEvent } from '../state/pull-service.ts';
import { createMemoryLog } from '../../storage/memory/memory-log.ts';
import {
  answerWith,
  openSubscriptionKit,
  openReceiver,
  webhook,
  type SubscriptionKit,
  type Received,
  type Receiver,
} from '../../testing/subscription-kit.ts';
import { dataOf, pullQueueOf } from '../../testing/pull-queue.ts';
import { lifecycleEventsOf } from '../../testing/virtual-time.ts';

const eventOf = ({ body }: Received): { id: string; type?: string; data: unknown } =>
  JSON.parse(body) as { id: string; type?: string; data: unknown };

const leasedOf = ({ body }: LeasedEvent): unknown => JSON.parse(`{${Buffer.from(body).toString()}`) as unknown;

/** How long workers wait in a pull. */
const WAITING = { waitMs: 60_000 };

const gapOf = (before: SubscriptionKit, position: number, after: SubscriptionKit): object => ({
  type: 'polycast.gap',
  data: { from: encodeCursor(before.feed.epoch, position), to: encodeCursor(after.feed.epoch, 0), reason: 'epoch' },
});

/** A hub that has delivered one event and stored a checkpoint after it. */
async function withOneDelivered(): Promise<{ receiver: Receiver; kit: SubscriptionKit; id: string }> {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  const id = await kit.create(webhook(receiver.url));
  await kit.publish('a.1', 1);
  await vi.waitFor(() => expect(kit.engine.subscriptions.get(id)?.status.cursor).toBe(1));
  return { receiver, kit, id };
}

/** A hub with a new log and the same subscriptions. */
const withAnotherLog = (kit: SubscriptionKit): Promise<SubscriptionKit> =>
  openSubscriptionKit({ persisted: { log: createMemoryLog(), state: kit.state } });

test('a replaced log is reported until it is acknowledged, across restarts, and once', async () => {
  const { receiver, kit } = await withOneDelivered();
  await kit.close();

  receiver.answer = answerWith(500);
  const second = await withAnotherLog(kit);
  await second.publish('a.1', 2);
  await receiver.until(({ length }) => length === 2);
  await second.close();

  receiver.answer = answerWith(204);
  const third = await openSubscriptionKit({ persisted: second });
  await receiver.until(({ length }) => length === 4);
  await third.publish('a.1', 3);
  await receiver.until(({ length }) => length === 5);
  await third.close();
  const gap = gapOf(kit, 1, second);
  expect(receiver.received.slice(1).map(eventOf)).toMatchObject([gap, gap, { data: 2 }, { data: 3 }]);

  const fourth = await openSubscriptionKit({ persisted: third });
  await fourth.publish('a.1', 4);
  await receiver.until(({ length }) => length === 6);
  expect(eventOf(receiver.received[5] as Received)).toMatchObject({ data: 4 });
});

test('a paused subscription receives the gap when it resumes, also for logs in between', async () => {
  const { receiver, kit, id } = await withOneDelivered();
  await kit.engine.subscriptions.pause(id);
  await kit.close();
  const second = await withAnotherLog(kit);
  await second.publish('a.1', 2);
  await second.close();
  const third = await withAnotherLog(second);
  await third.close();
  const fourth = await openSubscriptionKit({ persisted: third });
  await fourth.publish('a.1', 3);
  await fourth.engine.subscriptions.resume(id);
  await receiver.until(({ length }) => length === 3);
  expect(receiver.received.slice(1).map(eventOf)).toMatchObject([gapOf(kit, 1, fourth), { data: 3 }]);
});

test('a worker that received it and did not acknowledge it receives it again after a restart', async () => {
  const kit = await openSubscriptionKit();
  const delivery = { kind: 'pull', leaseMs: 30_000, deliveriesMax: 5 } as const;
  const id = await kit.create({ ...webhook(''), delivery });
  await kit.close();
  const second = await withAnotherLog(kit);
  await second.publish('a.1', 2);
  const gap = gapOf(kit, 0, second);
  expect((await pullQueueOf(second, id).pull(WAITING)).map(leasedOf)).toMatchObject([gap]);
  await second.close();
  const queue = pullQueueOf(await openSubscriptionKit({ persisted: second }), id);
  const again = await queue.pull(WAITING);
  expect(again.map(leasedOf)).toMatchObject([gap]);
  expect(queue.acknowledge(...again)).toEqual(['ok']);
  expect((await queue.pull(WAITING)).map(leasedOf)).toMatchObject([{ data: 2 }]);
});

test('another ordering keeps the pending gap', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  const id = await kit.create(webhook(receiver.url));
  await kit.close();
  receiver.answer = answerWith(500);
  const second = await withAnotherLog(kit);
  await receiver.until(({ length }) => length === 1);
  receiver.answer = answerWith(204);
  await second.engine.subscriptions.change(id, { ordering: 'none' }, undefined);
  await second.publish('a.1', 1);
  await receiver.until(({ length }) => length === 3);
  const gap = gapOf(kit, 0, second);
  expect(receiver.received.map(eventOf)).toMatchObject([gap, gap, { data: 1 }]);
});

test('another ordering keeps the gap of retention', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  for (let count = 0; count < 5; count++) await kit.publish('a.1', count);
  await kit.log.trim([{ channel: 'a.1', countMax: 2 }], Date.now());
  await kit.close();
  receiver.answer = answerWith(500);
  const next = await openSubscriptionKit({ persisted: kit });
  const { subscriptions } = next.engine;
  const id = await next.create(webhook(receiver.url, { cursor: 1 }));
  await receiver.until(({ length }) => length === 1);
  receiver.answer = answerWith(204);
  await subscriptions.change(id, { ordering: 'none' }, undefined);
  await receiver.until(({ length }) => length === 4);
  expect(receiver.received.slice(0, 2).map((one) => eventOf(one).type)).toEqual(['polycast.gap', 'polycast.gap']);
});

const NO_MORE = { epoch: '00aaaaaaaa', position: 7 };
const gapFrom = (kit: SubscriptionKit): object => ({
  type: 'polycast.gap',
  data: { from: '00aaaaaaaa-00000000007', to: encodeCursor(kit.feed.epoch, 0), reason: 'epoch' },
});

test('a subscription with a start in an earlier log receives the gap first, also after a restart', async () => {
  const receiver = await openReceiver();
  receiver.answer = answerWith(500);
  const kit = await openSubscriptionKit();
  await kit.publish('a.1', 1);
  await kit.create(webhook(receiver.url, { cursor: 0, lost: NO_MORE }));
  await kit.close();
  const before = receiver.received.length;
  receiver.answer = answerWith(204);
  const next = await openSubscriptionKit({ persisted: kit });
  await receiver.until(({ length }) => length === before + 2);
  await next.publish('a.1', 2);
  await receiver.until(({ length }) => length === before + 3);
  expect(receiver.received.slice(before).map(eventOf)).toMatchObject([gapFrom(next), { data: 1 }, { data: 2 }]);
});

test('a subscription with a start in an earlier log also receives the gap of retention in this one', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  for (let count = 0; count < 3; count++) await kit.publish('a.1', count);
  await kit.log.trim([{ channel: 'a.1', countMax: 1 }], Date.now());
  const next = await openSubscriptionKit({ persisted: kit });
  await next.create(webhook(receiver.url, { cursor: 0, lost: NO_MORE }));
  await receiver.until(({ length }) => length === 3);
  expect(receiver.received.map(eventOf)).toMatchObject([gapFrom(next), { data: { reason: 'retention' } }, { data: 2 }]);
});

test.each([0, 1])('a replay from a lost log reports the gap, also after a restart: %i events', async (count) => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  const id = await kit.create(webhook(receiver.url));
  for (let data = 0; data < count; data++) await kit.publish('a.1', data);
  await vi.waitFor(() => expect(kit.engine.subscriptions.get(id)?.status.cursor).toBe(count));
  receiver.answer = answerWith(500);
  await kit.engine.subscriptions.replay(id, { after: 0, channel: undefined, lost: NO_MORE });
  await receiver.until(({ length }) => length === count + 1);
  await kit.close();
  const before = receiver.received.length;
  receiver.answer = answerWith(204);
  const next = await openSubscriptionKit({ persisted: kit });
  const { subscriptions } = next.engine;
  await vi.waitFor(() => expect(subscriptions.replays(id)).toMatchObject([{ isDone: true }]));
  const expected = [gapFrom(next), { data: 0 }].slice(0, count + 1);
  expect(receiver.received.slice(before).map(eventOf)).toMatchObject(expected);
});

test('attempts keep the ids that were sent, and those of a gap belong to no event', async () => {
  const { receiver, kit, id } = await withOneDelivered();
  await kit.close();
  const next = await withAnotherLog(kit);
  const { subscriptions } = next.engine;
  const position = await next.publish('a.1', 2);
  await receiver.until(({ length }) => length === 3);
  const all = { before: Infinity, limit: 10 };
  await vi.waitFor(async () => expect(await subscriptions.attempts(id, all)).toHaveLength(3));
  const before = { epoch: kit.feed.epoch, position: 1, isGap: false };
  const event = { epoch: next.feed.epoch, position, isGap: false };
  const attempts = await subscriptions.attempts(id, all);
  expect(attempts).toMatchObject([event, { epoch: next.feed.epoch, position: 0, isGap: true }, before]);
  expect(attempts[1]?.request.headers['webhook-id']).toBe(encodeCursor(next.feed.epoch, 0));
  expect(await subscriptions.attempts(id, { ...all, event: { epoch: next.feed.epoch, position } })).toMatchObject([
    event,
  ]);
  expect(await subscriptions.trace({ epoch: next.feed.epoch, position })).toMatchObject([event]);
  const first = { epoch: kit.feed.epoch, position: 1 };
  expect(await subscriptions.attempts(id, { ...all, event: first })).toMatchObject([before]);
  expect(await subscriptions.trace(first)).toMatchObject([before]);
});

test.each(['webhook', 'pull'])(
  'a gap that is never acknowledged is no dead letter, but is reported: %s',
  async (kind) => {
    const receiver = await openReceiver();
    receiver.answer = (one, response) => response.writeHead(eventOf(one).type === undefined ? 204 : 500).end();
    const pull = { kind: 'pull', leaseMs: 600_000, deliveriesMax: 1 } as const;
    const options =
      kind === 'pull' ? { ...webhook(''), delivery: pull } : webhook(receiver.url, {}, { retryDelaysMs: [] });
    const kit = await openSubscriptionKit();
    const id = await kit.create(options);
    await kit.close();
    const next = await withAnotherLog(kit);
    const { subscriptions } = next.engine;
    await next.publish('a.1', 1);
    if (kind === 'pull') {
      const queue = pullQueueOf(next, id);
      const [gap] = await queue.pull({ ...WAITING, countMax: 1 });
      next.engine.pullService.release(id, [gap?.lease ?? ''], 0);
      expect((await queue.pull({ ...WAITING, countMax: 1 })).map(dataOf)).toEqual([1]);
    } else await receiver.until(({ length }) => length === 2);
    expect(await subscriptions.deadLetters(id, { limit: 10 })).toEqual([]);
    const outcome = kind === 'pull' ? 'deliveries' : 'refused_status';
    const gap = { from: encodeCursor(kit.feed.epoch, 0), to: encodeCursor(next.feed.epoch, 0), reason: 'epoch' };
    const data = { subscription: id, gap, channel: 'polycast.gap', attempts: 1, outcome };
    await vi.waitFor(async () => expect(await lifecycleEventsOf(next)).toMatchObject([{ kind: 'dead-gap', data }]));
  },
);

test('a retried dead letter that retention has removed is delivered as a gap', async () => {
  const receiver = await openReceiver();
  receiver.answer = answerWith(500);
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  const options = webhook(receiver.url, {}, { retryDelaysMs: [] });
  const id = await kit.create(options);
  const position = await kit.publish('a.1', 1);
  await vi.waitFor(async () =>
    expect(await subscriptions.deadLetters(id, { limit: 10 })).toMatchObject([{ position }]),
  );
  await kit.close();
  await kit.log.trim([{ channel: 'a.1', countMax: 0 }], Date.now());
  receiver.answer = answerWith(204);
  const next = await openSubscriptionKit({ persisted: kit });
  expect(await next.engine.subscriptions.retryDeadLetters(id, undefined)).toBe(1);
  await receiver.until(({ length }) => length === 2);
  const to = encodeCursor(kit.feed.epoch, position);
  const lost = { channel: 'a.1', type: 'polycast.gap', data: { to, reason: 'retention' } };
  expect(eventOf(receiver.received[1] as Received)).toMatchObject(lost);
});

test('an event with the type of a gap becomes a dead letter like any other event', async () => {
  const receiver = await openReceiver();
  receiver.answer = answerWith(500);
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  const id = await kit.create(webhook(receiver.url, {}, { retryDelaysMs: [] }));
  const position = await kit.publish('a.1', 1, 'polycast.gap');
  await vi.waitFor(async () =>
    expect(await subscriptions.deadLetters(id, { limit: 10 })).toMatchObject([{ position }]),
  );
});
