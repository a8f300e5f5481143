import { expect, test, vi } from 'vitest';
import { createMemoryLog } from '../log/memory.ts';
import { answering, openKit, openReceiver, webhook, type Kit } from '../testing/delivery-kit.ts';
import { openQueue, queueOf } from '../testing/queue-kit.ts';

async function publishAll(kit: Kit, channel: string, count: number): Promise<void> {
  for (let data = 0; data < count; data++) await kit.publish(channel, data);
}

test('what waits behind an event that fails is counted, and still is after a restart, until all of it is done', async () => {
  const receiver = await openReceiver();
  receiver.answer = answering(500);
  const kit = await openKit();
  // It is not tried again before the restart, and soon after it.
  const retryDelaysMs = Array.from({ length: 100 }, () => 60_000);
  const id = await kit.create(webhook(receiver.url, {}, { retryDelaysMs }));
  await publishAll(kit, 'a.1', 60);
  const behind = { inFlight: 0, failing: 1, waiting: 59, deadLetters: 0, lagEvents: 60, lagPositions: 0 };
  await vi.waitFor(() => expect(kit.deliveries.desk.backlog(id)).toMatchObject(behind));
  expect(kit.deliveries.figures.states['active']).toMatchObject({ lagEventsMax: 60 });
  await kit.close();

  const next = await openKit({ kept: kit, speed: 60 });
  const { desk, figures } = next.deliveries;
  expect(desk.backlog(id)).toMatchObject(behind);
  expect(figures.states['active']).toMatchObject({ lagEventsMax: 60 });
  await vi.waitFor(() => expect(desk.backlog(id).lagMs).toBeGreaterThan(0));
  await publishAll(next, 'a.1', 5);
  await vi.waitFor(() => expect(desk.backlog(id)).toMatchObject({ waiting: 64, lagEvents: 65, lagPositions: 0 }));
  receiver.answer = answering(204);
  const nothing = { inFlight: 0, failing: 0, waiting: 0, lagEvents: 0, lagMs: 0 };
  await vi.waitFor(() => expect(desk.backlog(id)).toMatchObject(nothing));
});

test('what others publish is no lag of an idle queue that a gap waits for', async () => {
  const before = await openKit();
  const { id } = await openQueue(before, { channels: ['print.>'] });
  await before.publish('print.1', 'done');
  queueOf(before, id).acknowledge(...(await queueOf(before, id).pull({ countMax: 1 })));
  await before.close();
  const kit = await openKit({ kept: { log: createMemoryLog(), state: before.state } });
  await publishAll(kit, 'other.1', 22);
  const backlog = (): object => kit.deliveries.desk.backlog(id);
  expect(backlog()).toMatchObject({ lagEvents: 1, lagPositions: 22 });
  expect(kit.deliveries.figures.states['active']).toMatchObject({ lagEventsMax: 1 });
  await kit.publish('print.1', 'new');
  await publishAll(kit, 'other.1', 3);
  expect(backlog()).toMatchObject({ lagEvents: 2, lagPositions: 26 });
});

test('the events of a batch that is under way are counted, and those behind it', async () => {
  const receiver = await openReceiver();
  const answers: (() => void)[] = [];
  receiver.answer = (_received, response) => void answers.push(() => response.writeHead(204).end());
  const kit = await openKit();
  const wishes = webhook(receiver.url, { concurrencyMax: 1 }, { batch: { countMax: 4, waitMs: 60_000 } });
  const id = await kit.create(wishes);
  await publishAll(kit, 'a.1', 7);
  await vi.waitFor(() =>
    expect(kit.deliveries.desk.backlog(id)).toMatchObject({ inFlight: 4, failing: 0, waiting: 3, lagEvents: 7 }),
  );
  for (const answer of answers) answer();
});

test.each(['none', 'per-channel'] as const)(
  'what a worker has not been given is counted: order %s',
  async (ordering) => {
    const kit = await openKit();
    const queue = await openQueue(kit, { ordering });
    const backlog = (): object => kit.deliveries.desk.backlog(queue.id);
    await publishAll(kit, 'jobs.a', 50);
    expect(backlog()).toMatchObject({ inFlight: 0, waiting: 0, lagEvents: 50, lagPositions: 50 });
    const events = await queue.pull({ countMax: 1 });
    expect(backlog()).toMatchObject({ inFlight: 1, waiting: 49, lagEvents: 50, lagPositions: 0 });
    queue.acknowledge(...events);
    expect(backlog()).toMatchObject({ inFlight: 0, waiting: 49, lagEvents: 49, lagPositions: 0 });
  },
);

/** More than a hub reads back into memory when it starts. */
async function fillLog(kit: Kit, channel: string): Promise<void> {
  await publishAll(kit, channel, 3);
  for (let count = 0; count < 10; count++) await kit.publish(channel, 'x'.repeat(90_000));
}

test('after a restart the lag of a queue that nobody pulls from counts what it matches, though memory does not reach back', async () => {
  const before = await openKit();
  const idle = await openQueue(before, { channels: ['print.>'] });
  const some = await openQueue(before, { channels: ['jobs.>'] });
  const filtered = await openQueue(before, { channels: ['jobs.>'], filter: { equals: ['/data', 'never'] } });
  const paused = await openQueue(before, { channels: ['print.>', 'jobs.b'] });
  await before.deliveries.desk.pause(paused.id, { kind: 'operator' });
  await publishAll(before, 'jobs.a', 7);
  await fillLog(before, 'other.1');
  await publishAll(before, 'jobs.b', 4);
  // As after a crash: nobody has said goodbye.
  const kept = { log: before.log, state: structuredClone(before.state) };

  const kit = await openKit({ kept });
  const { desk } = kit.deliveries;
  await vi.waitFor(() => {
    expect(desk.backlog(idle.id)).toMatchObject({ lagEvents: 0, lagMs: 0, lagPositions: 0 });
    expect(desk.backlog(some.id)).toMatchObject({ lagEvents: 11 });
    expect(desk.backlog(filtered.id)).toMatchObject({ lagEvents: 0, lagMs: 0 });
    expect(desk.backlog(paused.id)).toMatchObject({ lagEvents: 4 });
  });
  expect(kit.deliveries.figures.states['active']).toMatchObject({ lagEventsMax: 11 });
  const events = await queueOf(kit, some.id).pull({ countMax: 5 });
  expect(desk.backlog(some.id)).toMatchObject({ inFlight: 5, lagEvents: 11 });
  queueOf(kit, some.id).acknowledge(...events);
  await vi.waitFor(() => expect(desk.backlog(some.id)).toMatchObject({ lagEvents: 6 }));
  // Where the idle one stands is kept: the next hub need not count.
  await kit.close();
  expect(kit.state.kept.get(idle.id)?.standing?.cursor).toBe(kit.log.state.head);
});
