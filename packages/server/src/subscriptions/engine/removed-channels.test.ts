import { expect, test, vi } from 'vitest';
import { answerWith, openSubscriptionKit, openReceiver, webhook } from '../../testing/subscription-kit.ts';
import { openPullQueue } from '../../testing/pull-queue.ts';
import { HOUR_MS } from '../../testing/virtual-time.ts';

const dataOf = ({ body }: { readonly body: string }): unknown => (JSON.parse(body) as { data: unknown }).data;

test('a batch is sent without the events of a channel that was removed', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  const id = await kit.create(
    webhook(receiver.url, { channels: ['a', 'b'] }, { batch: { countMax: 3, waitMs: HOUR_MS } }),
  );
  await kit.publish('a', 'kept');
  await kit.publish('b', 'taken away');
  await vi.waitFor(() => expect(subscriptions.backlog(id).waiting).toBe(2));
  await subscriptions.change(id, { channels: ['a'] }, undefined);
  await kit.publish('a', 'after');
  await receiver.until(({ length }) => length === 1);
  expect((JSON.parse(receiver.received[0]?.body ?? '') as { data: unknown }[]).map(({ data }) => data)).toEqual([
    'kept',
    'after',
  ]);
  const [letter, ...others] = await subscriptions.deadLetters(id, { limit: 10 });
  expect([letter, others]).toMatchObject([{ channel: 'b', outcome: 'channel_removed', attempts: 0 }, []]);
});

test('a replay in progress skips events of removed channels, without a dead letter', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  const id = await kit.create(webhook(receiver.url, { channels: ['a', 'b'] }));
  await kit.publish('b', 1);
  await kit.publish('b', 2);
  await receiver.until(({ length }) => length === 2);
  await vi.waitFor(() => expect(subscriptions.get(id)?.status.cursor).toBe(2));
  receiver.answer = answerWith(500);
  await subscriptions.replay(id, { after: 0, channel: undefined, lost: undefined });
  await receiver.until(({ length }) => length === 3);
  receiver.answer = answerWith(204);
  await subscriptions.change(id, { channels: ['a'] }, undefined);
  await subscriptions.resume(id);
  await kit.publish('a', 3);
  await receiver.until((received) => received.some((one) => dataOf(one) === 3));
  await subscriptions.change(id, { delivery: webhook(receiver.url, {}, { retryDelaysMs: [1] }).delivery }, undefined);
  await vi.waitFor(() => expect(subscriptions.replays(id)).toMatchObject([{ isDone: true }]), 15_000);
  expect(receiver.received.slice(3).map(dataOf)).toEqual([3]);
  expect(await subscriptions.deadLetters(id, { limit: 10 })).toEqual([]);
});

test('the probe of a suspended endpoint is never an event of a removed channel', async () => {
  const receiver = await openReceiver();
  receiver.answer = answerWith(500);
  const kit = await openSubscriptionKit({
    settings: { suspendAfterSeconds: 1, failingNoticeSeconds: 1, probeSeconds: 1 },
  });
  const { subscriptions } = kit.engine;
  const id = await kit.create(
    webhook(receiver.url, { channels: ['a', 'b'] }, { retryDelaysMs: Array.from({ length: 20 }, () => 200) }),
  );
  await kit.publish('b', 'taken away');
  await vi.waitFor(() => expect(subscriptions.get(id)?.status.state).toBe('suspended'), 15_000);
  await subscriptions.change(id, { channels: ['a'] }, undefined);
  // A probe may have begun before the change.
  await vi.waitFor(() => expect(kit.engine.counts.webhooks.inFlight).toBe(0));
  const { length } = receiver.received;
  receiver.answer = answerWith(204);
  await kit.publish('a', 'kept');
  await receiver.until((received) => received.some((one) => dataOf(one) === 'kept'));
  expect(receiver.received.slice(length).map(dataOf)).toEqual(['kept']);
  await vi.waitFor(() => expect(subscriptions.get(id)?.status.state).toBe('active'), 15_000);
});

test('concurrent retries of all dead letters together open no more events than the limit', async () => {
  const kit = await openSubscriptionKit({ settings: { openEventsMax: 5 } });
  const { subscriptions } = kit.engine;
  const queue = await openPullQueue(kit, {
    channels: ['a'],
    delivery: { kind: 'pull', leaseMs: 30_000, deliveriesMax: 1 },
  });
  for (let count = 0; count < 20; count++) {
    await kit.publish('a', count);
    const events = await queue.pull({ countMax: 1, waitMs: 10_000 });
    kit.engine.pullService.release(
      queue.id,
      events.map(({ lease }) => lease),
      0,
    );
  }
  expect(await subscriptions.deadLetters(queue.id, { limit: 100 })).toHaveLength(20);
  const retried = await Promise.all([1, 2, 3].map(() => subscriptions.retryDeadLetters(queue.id, undefined)));
  expect(retried.reduce((sum, each) => sum + each, 0)).toBe(5);
});

test('concurrent requests for replays together create no more than the limit', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  const id = await kit.create(webhook(receiver.url, { channels: ['a'] }));
  await kit.publish('a', 1);
  await receiver.until(({ length }) => length === 1);
  await vi.waitFor(() => expect(subscriptions.get(id)?.status.cursor).toBe(1));
  await subscriptions.pause(id);
  const replay = (): Promise<unknown> => subscriptions.replay(id, { after: 0, channel: undefined, lost: undefined });
  const results = await Promise.allSettled(Array.from({ length: 20 }, replay));
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(8);
});
