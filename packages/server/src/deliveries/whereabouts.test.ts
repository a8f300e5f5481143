import { expect, test, vi } from 'vitest';
import type { StoredRecord } from '../core/ports.ts';
import { openKit, openReceiver, webhook, type Kit } from '../testing/delivery-kit.ts';
import { openQueue, queueOf } from '../testing/queue-kit.ts';

function recordOf({ feed }: Kit, channel: string, position: number): StoredRecord {
  const record = feed.find(channel, position);
  if (record === undefined) throw new Error(`${position} is not in memory`);
  return record;
}

test('how often an event of a queue was given out, and until when, is known after a restart too; since when is not', async () => {
  const kit = await openKit();
  const queue = await openQueue(kit);
  const position = await kit.publish('jobs.a', 1);
  const [event] = await queue.pull();
  kit.deliveries.desk.pulls.release(queue.id, [event?.lease ?? ''], 0);
  const [again] = await queue.pull({ leaseMs: 600_000 });
  const dueMs = again?.leaseEndsMs ?? 0;
  const open = { state: 'under_way', tries: 2, dueMs };
  expect(kit.deliveries.desk.whereabouts(queue.id, recordOf(kit, 'jobs.a', position))).toMatchObject({
    ...open,
    leasedMs: dueMs - 600_000,
  });
  await kit.close();
  const next = await openKit({ kept: kit });
  const { desk } = next.deliveries;
  const record = recordOf(next, 'jobs.a', position);
  expect(desk.whereabouts(queue.id, record)).toEqual({ ...open, leasedMs: undefined });
  queueOf(next, queue.id).acknowledge(...(again === undefined ? [] : [again]));
  expect(desk.whereabouts(queue.id, record)).toEqual({ state: 'done' });
});

test('every event of a batch is under way, and what is behind it waits', async () => {
  const receiver = await openReceiver();
  const answers: (() => void)[] = [];
  receiver.answer = (_received, response) => void answers.push(() => response.writeHead(204).end());
  const kit = await openKit();
  const { desk } = kit.deliveries;
  const wishes = webhook(receiver.url, { concurrencyMax: 1 }, { batch: { countMax: 2, waitMs: 60_000 } });
  const id = await kit.create(wishes);
  const records: StoredRecord[] = [];
  for (let count = 0; count < 3; count++) records.push(recordOf(kit, 'a.1', await kit.publish('a.1', count)));
  await vi.waitFor(() =>
    expect(records.map((record) => desk.whereabouts(id, record))).toMatchObject([
      { state: 'under_way', tries: 1 },
      { state: 'under_way', tries: 1 },
      { state: 'waiting', tries: 0 },
    ]),
  );
  for (const answer of answers) answer();
});
