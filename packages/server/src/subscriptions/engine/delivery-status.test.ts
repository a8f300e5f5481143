import { expect, test, vi } from 'vitest';
import type { StoredRecord } from '../../core/ports.ts';
import { openSubscriptionKit, openReceiver, webhook, type SubscriptionKit } from '../../testing/subscription-kit.ts';
import { openPullQueue, pullQueueOf } from '../../testing/pull-queue.ts';

function recordOf({ feed }: SubscriptionKit, channel: string, position: number): StoredRecord {
  const record = feed.find(channel, position);
  if (record === undefined) throw new Error(`${position} is not in memory`);
  return record;
}

test("the number of an event's leases and their end are known after a restart; the first time is not", async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit);
  const position = await kit.publish('jobs.a', 1);
  const [event] = await queue.pull();
  kit.engine.pullService.release(queue.id, [event?.lease ?? ''], 0);
  const [again] = await queue.pull({ leaseMs: 600_000 });
  const dueMs = again?.leaseEndsMs ?? 0;
  const open = { state: 'in_flight', tries: 2, dueMs };
  expect(kit.engine.subscriptions.deliveryStatus(queue.id, recordOf(kit, 'jobs.a', position))).toMatchObject({
    ...open,
    leasedMs: dueMs - 600_000,
  });
  await kit.close();
  const next = await openSubscriptionKit({ persisted: kit });
  const { subscriptions } = next.engine;
  const record = recordOf(next, 'jobs.a', position);
  expect(subscriptions.deliveryStatus(queue.id, record)).toEqual({ ...open, leasedMs: undefined });
  pullQueueOf(next, queue.id).acknowledge(...(again === undefined ? [] : [again]));
  expect(subscriptions.deliveryStatus(queue.id, record)).toEqual({ state: 'done' });
});

test('every event of a batch is in flight, and those behind it wait', async () => {
  const receiver = await openReceiver();
  const answers: (() => void)[] = [];
  receiver.answer = (_received, response) => void answers.push(() => response.writeHead(204).end());
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  const options = webhook(receiver.url, { concurrencyMax: 1 }, { batch: { countMax: 2, waitMs: 60_000 } });
  const id = await kit.create(options);
  const records: StoredRecord[] = [];
  for (let count = 0; count < 3; count++) records.push(recordOf(kit, 'a.1', await kit.publish('a.1', count)));
  await vi.waitFor(() =>
    expect(records.map((record) => subscriptions.deliveryStatus(id, record))).toMatchObject([
      { state: 'in_flight', tries: 1 },
      { state: 'in_flight', tries: 1 },
      { state: 'waiting', tries: 0 },
    ]),
  );
  for (const answer of answers) answer();
});
