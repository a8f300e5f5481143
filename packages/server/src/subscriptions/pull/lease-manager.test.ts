import { expect, test, vi } from 'vitest';
import type { LeasedEvent } from '../state/pull-service.ts';
import { openSubscriptionKit, type SubscriptionKit } from '../../testing/subscription-kit.ts';
import type { LeaseManager } from './lease-manager.ts';
import { dataOf, openPullQueue, pullQueueOf } from '../../testing/pull-queue.ts';
import { openVirtualTime } from '../../testing/virtual-time.ts';
import { systemWorld } from '../../operate/world.ts';

async function publishAll(kit: SubscriptionKit, channel: string, ...data: readonly unknown[]): Promise<void> {
  await Promise.all(data.map((one) => kit.publish(channel, one)));
}

test('returns events in order, each with a lease of its own and counted as the first', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit);
  await publishAll(kit, 'jobs.a', 1, 2, 3);
  const events = await queue.pull({ countMax: 2 });
  expect(events.map(dataOf)).toEqual([1, 2]);
  expect(new Set(events.map(({ lease }) => lease)).size).toBe(2);
  for (const { lease, delivery } of events) {
    expect(lease).toMatch(/^[A-Za-z0-9_-]{16,64}$/);
    expect(delivery).toBe(1);
  }
  expect((await queue.pull()).map(dataOf)).toEqual([3]);
  expect(await queue.pull()).toEqual([]);
});

test('no id of a lease looks like an option on a command line', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit, { ordering: 'none' });
  await publishAll(kit, 'jobs.a', ...Array.from({ length: 1000 }, (_, index) => index));
  const leases: string[] = [];
  while (leases.length < 1000) {
    const events = await queue.pull({ countMax: 1000 });
    leases.push(...events.map(({ lease }) => lease));
    queue.acknowledge(...events);
  }
  expect(leases.filter((lease) => lease.startsWith('-'))).toEqual([]);
});

test('an acknowledged event is done, once; a lease of another subscription is refused', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit);
  const other = await openPullQueue(kit);
  await publishAll(kit, 'jobs.a', 1);
  const events = await queue.pull();
  expect(other.acknowledge(...events)).toEqual(['not_held']);
  expect(queue.acknowledge(...events)).toEqual(['ok']);
  expect(queue.acknowledge(...events)).toEqual(['not_held']);
  expect(kit.engine.subscriptions.backlog(queue.id)).toMatchObject({ inFlight: 0, failing: 0 });
});

test('an acknowledgement up to a position includes every lease up to it, of any worker', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit);
  await publishAll(kit, 'jobs.a', 1, 2, 3, 4);
  const events = [...(await queue.pull({ countMax: 2 })), ...(await queue.pull())];
  const { position } = events[2] as LeasedEvent;
  expect(kit.engine.pullService.acknowledgeThrough(queue.id, position)).toBe(3);
  expect(queue.acknowledge(...events)).toEqual(['not_held', 'not_held', 'not_held', 'ok']);
});

test('an expired lease is given to the next worker, with another id and counted, until it is a dead letter', async () => {
  const kit = await openSubscriptionKit({ speed: 1000 });
  const queue = await openPullQueue(kit);
  await publishAll(kit, 'jobs.a', 1);
  const names = new Set<string>();
  for (const delivery of [1, 2, 3]) {
    const [event] = await queue.pull({ waitMs: Infinity });
    expect(event).toMatchObject({ delivery });
    names.add((event as LeasedEvent).lease);
  }
  expect(names.size).toBe(3);
  await vi.waitFor(async () => {
    const deadLetters = await kit.engine.subscriptions.deadLetters(queue.id, { limit: 10 });
    expect(deadLetters).toMatchObject([{ attempts: 3, outcome: 'deliveries', channel: 'jobs.a' }]);
  });
  expect(await queue.pull()).toEqual([]);
});

test('a released event is delivered again, after the delay, with a higher count', async () => {
  const travel = await openVirtualTime();
  const { kit } = travel;
  const queue = await openPullQueue(kit);
  await publishAll(kit, 'jobs.a', 1, 2);
  const events = await queue.pull();
  const { pullService: pulls } = kit.engine;
  const [first, second] = events.map(({ lease }) => lease) as [string, string];
  expect(pulls.release(queue.id, [first, 'nobody'], 0)).toEqual(['ok', 'not_held']);
  expect(pulls.release(queue.id, [second], 100_000)).toEqual(['ok']);
  const again = await queue.pull({ waitMs: 10_000 });
  expect(again.map((event) => [dataOf(event), event.delivery])).toEqual([[1, 2]]);
  queue.acknowledge(...again);
  await travel.advance(99_999);
  expect(await queue.pull()).toEqual([]);
  await travel.advance(1);
  const later = await queue.pull();
  expect(later.map((event) => [dataOf(event), event.delivery])).toEqual([[2, 2]]);
});

test('an event that was released too often is a dead letter', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit);
  await publishAll(kit, 'jobs.a', 1);
  for (let delivery = 1; delivery <= 3; delivery++) {
    const [event] = await queue.pull({ waitMs: 10_000 });
    kit.engine.pullService.release(queue.id, [(event as LeasedEvent).lease], 0);
  }
  expect(await queue.pull()).toEqual([]);
  expect(await kit.engine.subscriptions.deadLetters(queue.id, { limit: 10 })).toHaveLength(1);
});

test('an extended lease is not given to another worker', async () => {
  const travel = await openVirtualTime();
  const { kit } = travel;
  const queue = await openPullQueue(kit);
  await publishAll(kit, 'jobs.a', 1);
  const events = await queue.pull({ leaseMs: 5_000 });
  const leases = events.map(({ lease }) => lease);
  expect(kit.engine.pullService.extend(queue.id, leases, 3_600_000)).toEqual(['ok']);
  await travel.advance(60_000);
  expect(await queue.pull()).toEqual([]);
  expect(queue.acknowledge(...events)).toEqual(['ok']);
  expect(kit.engine.pullService.extend(queue.id, leases, 1000)).toEqual(['not_held']);
});

test('in per-channel order the next event of a channel follows the acknowledgement; other channels do not wait', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit, { ordering: 'per-channel' });
  await publishAll(kit, 'jobs.a', 'a1', 'a2', 'a3');
  await publishAll(kit, 'jobs.b', 'b1', 'b2');
  const first = await queue.pull();
  expect(first.map(dataOf)).toEqual(['a1', 'b1']);
  expect(await queue.pull()).toEqual([]);
  queue.acknowledge(first[0] as LeasedEvent);
  const second = await queue.pull();
  expect(second.map(dataOf)).toEqual(['a2']);
  kit.engine.pullService.release(queue.id, [(second[0] as LeasedEvent).lease], 0);
  expect((await queue.pull({ waitMs: 10_000 })).map((event) => [dataOf(event), event.delivery])).toEqual([['a2', 2]]);
});

test('a waiting worker receives a published event, and of two the first one first', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit);
  const waiting = [queue.pull({ waitMs: Infinity, countMax: 1 }), queue.pull({ waitMs: Infinity })];
  await publishAll(kit, 'jobs.a', 1, 2, 3);
  const [first, second] = await Promise.all(waiting);
  expect(first?.map(dataOf)).toEqual([1]);
  expect(second?.map(dataOf)).toEqual([2, 3]);
});

test('a wait ends empty after its time, and immediately when it is cancelled', async () => {
  const kit = await openSubscriptionKit({ speed: 1000 });
  const queue = await openPullQueue(kit);
  expect(await queue.pull({ waitMs: 10_000 })).toEqual([]);
  const calling = new AbortController();
  const called = queue.pull({ waitMs: Infinity }, calling.signal);
  calling.abort();
  expect(await called).toEqual([]);
  await publishAll(kit, 'jobs.a', 1);
  expect((await queue.pull()).map(dataOf)).toEqual([1]);
});

test('concurrent leases are bounded by the subscription', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit, { concurrencyMax: 3 });
  await publishAll(kit, 'jobs.a', 1, 2, 3, 4, 5);
  const first = await queue.pull();
  expect(first).toHaveLength(3);
  const waiting = queue.pull({ waitMs: Infinity });
  queue.acknowledge(first[0] as LeasedEvent);
  expect((await waiting).map(dataOf)).toEqual([4]);
});

test('the rate of leases is bounded by the subscription', async () => {
  const kit = await openSubscriptionKit({ speed: 10 });
  const queue = await openPullQueue(kit, { ratePerSecond: 50 });
  await publishAll(kit, 'jobs.a', ...Array.from({ length: 30 }, (_, index) => index));
  const startMs = performance.now();
  for (let count = 0; count < 30;) {
    const events = await queue.pull({ countMax: 100, waitMs: Infinity });
    queue.acknowledge(...events);
    count += events.length;
  }
  // Half a second of the clock, without the burst.
  expect((performance.now() - startMs) * 10).toBeGreaterThan(480);
});

test.each([1, 2, 3])(
  'workers are woken when the rate allows more, also if it did so while they began to wait: %d ms',
  async (stepMs) => {
    let nowMs = 1_700_000_000_000;
    // Each look at the clock finds that time has passed: a part of what an event takes.
    const clock = { nowMs: () => (nowMs += stepMs), monotonicMs: () => performance.now() };
    const kit = await openSubscriptionKit({ world: { ...systemWorld, clock } });
    const queue = await openPullQueue(kit, { ratePerSecond: 50 });
    await publishAll(kit, 'jobs.a', ...Array.from({ length: 40 }, (_, index) => index));
    for (let count = 0; count < 40;) {
      const events = await queue.pull({ countMax: 100, waitMs: Infinity });
      queue.acknowledge(...events);
      count += events.length;
    }
  },
);

test('events outside of the tail are read from the log, also for workers that do not wait', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit);
  const count = 3000;
  await publishAll(kit, 'jobs.a', ...Array.from({ length: count }, (_, index) => `${index} ${'x'.repeat(1000)}`));
  const seen: unknown[] = [];
  for (
    let events = await queue.pull({ countMax: 100 });
    events.length > 0;
    events = await queue.pull({ countMax: 100 })
  ) {
    seen.push(...events.map(dataOf));
    queue.acknowledge(...events);
  }
  expect(seen.map((data) => Number.parseInt(data as string, 10))).toEqual(Array.from({ length: count }, (_, i) => i));
});

test('in per-channel order a channel with a backlog does not delay the others', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit, { ordering: 'per-channel' });
  await publishAll(kit, 'jobs.a', ...Array.from({ length: 3000 }, (_, index) => `${index} ${'x'.repeat(1000)}`));
  const [held] = await queue.pull();
  await publishAll(kit, 'jobs.b', 'b');
  const [other] = await queue.pull({ waitMs: 10_000 });
  expect(dataOf(other as LeasedEvent)).toBe('b');
  for (let index = 0, event = held as LeasedEvent; index < 3000; index++) {
    expect(Number.parseInt(dataOf(event) as string, 10)).toBe(index);
    queue.acknowledge(event);
    if (index < 2999) [event] = (await queue.pull({ waitMs: 10_000 })) as [LeasedEvent];
  }
});

test('leases survive a restart: no other worker receives the event, and it can be acknowledged', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit);
  await publishAll(kit, 'jobs.a', 1, 2);
  const [first, second] = (await queue.pull()) as [LeasedEvent, LeasedEvent];
  await kit.close();
  const again = await openSubscriptionKit({ persisted: kit });
  const reopened = pullQueueOf(again, queue.id);
  expect(await reopened.pull()).toEqual([]);
  expect(reopened.acknowledge(first)).toEqual(['ok']);
  again.engine.pullService.release(queue.id, [second.lease], 0);
  const events = await reopened.pull({ waitMs: 10_000 });
  expect(events.map((event) => [dataOf(event), event.delivery])).toEqual([[2, 2]]);
});

test('a pause refuses waiting and new requests; existing leases can be acknowledged', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit, { concurrencyMax: 1 });
  await publishAll(kit, 'jobs.a', 1, 2);
  const events = await queue.pull();
  const waiting = queue.pull({ waitMs: Infinity });
  await kit.engine.subscriptions.pause(queue.id);
  await expect(waiting).rejects.toMatchObject({ code: 'subscription_not_active' });
  await expect(queue.pull()).rejects.toMatchObject({ code: 'subscription_not_active' });
  expect(queue.acknowledge(...events)).toEqual(['ok']);
  await kit.engine.subscriptions.resume(queue.id);
  expect((await queue.pull()).map(dataOf)).toEqual([2]);
});

test('a removal refuses waiting requests, and leaves no entry', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit);
  const waiting = queue.pull({ waitMs: Infinity });
  await kit.engine.subscriptions.remove(queue.id);
  await expect(waiting).rejects.toMatchObject({ code: 'not_found' });
  await expect(queue.pull()).rejects.toMatchObject({ code: 'not_found' });
  expect(() => queue.acknowledge()).toThrow(expect.objectContaining({ code: 'not_found' }));
});

test("with many workers, none receives another's event, and all are done in the end", async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit);
  const count = 5000;
  const taken = new Map<number, number>();
  let done = 0;
  const worker = async (): Promise<void> => {
    while (done < count) {
      const events = await queue.pull({ countMax: 32, waitMs: 200 });
      for (const event of events) taken.set(event.position, (taken.get(event.position) ?? 0) + 1);
      // Other workers have their turn while these events are leased.
      await new Promise((resolve) => setImmediate(resolve));
      queue.acknowledge(...events);
      done += events.length;
    }
  };
  const workers = Array.from({ length: 8 }, worker);
  for (let index = 0; index < count; index += 100)
    await publishAll(kit, `jobs.${index % 7}`, ...Array.from({ length: 100 }, (_, i) => index + i));
  await Promise.all(workers);
  expect(taken.size).toBe(count);
  expect(new Set(taken.values())).toEqual(new Set([1]));
});

test('a gap of retention is delivered in order, with a lease, until it is acknowledged', async () => {
  const kit = await openSubscriptionKit();
  // Cursor 0 reads whatever is stored. This cursor is a position that existed.
  const position = await kit.publish('jobs.a', 'seen');
  const queue = await openPullQueue(kit, { cursor: position });
  await publishAll(kit, 'jobs.a', 'lost', 'lost');
  await kit.close();
  await kit.log.trim([{ channel: 'jobs.a', countMax: 0 }], 0);
  const again = await openSubscriptionKit({ persisted: kit });
  const reopened = pullQueueOf(again, queue.id);
  await publishAll(again, 'jobs.a', 'kept');
  const [gap] = (await reopened.pull({ waitMs: 10_000 })) as [LeasedEvent];
  expect(`{${Buffer.from(gap.body).toString()}`).toContain('"type":"polycast.gap"');
  again.engine.pullService.release(queue.id, [gap.lease], 0);
  const [redelivered] = (await reopened.pull({ waitMs: 10_000 })) as [LeasedEvent];
  expect(redelivered).toMatchObject({ delivery: 2, body: gap.body });
  reopened.acknowledge(redelivered);
  expect((await reopened.pull({ waitMs: 10_000 })).map(dataOf)).toEqual(['kept']);
});

test('an event that leaves the log before its next delivery becomes a gap', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit, { ordering: 'per-channel' });
  await publishAll(kit, 'jobs.a', 'lost');
  await queue.pull({ leaseMs: 3_600_000 });
  await kit.close();
  await kit.log.trim([{ channel: 'jobs.a', countMax: 0 }], 0);
  const again = await openSubscriptionKit({ persisted: kit, speed: 100_000 });
  const [event] = (await pullQueueOf(again, queue.id).pull({ waitMs: Infinity })) as [LeasedEvent];
  expect(event.delivery).toBe(2);
  expect(`{${Buffer.from(event.body).toString()}`).toContain('"type":"polycast.gap"');
});

test('a queue without workers reads nothing', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit);
  await publishAll(kit, 'jobs.a', 1);
  queue.acknowledge(...(await queue.pull()));
  await vi.waitFor(() => expect((kit.engine.pullService as LeaseManager).queueCount).toBe(0));
});

test('an event that did not reach its worker is delivered again, and not counted', async () => {
  const kit = await openSubscriptionKit();
  const queue = await openPullQueue(kit);
  await publishAll(kit, 'jobs.a', 1);
  for (let times = 0; times < 10; times++) {
    const [event] = (await queue.pull({ waitMs: 10_000 })) as [LeasedEvent];
    expect(event.delivery).toBe(1);
    kit.engine.pullService.returnUndelivered(queue.id, [event.lease]);
    expect(queue.acknowledge(event)).toEqual(['not_held']);
  }
});

test('a retried dead letter is delivered to a waiting worker, and becomes one again without an acknowledgement', async () => {
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  const queue = await openPullQueue(kit, {
    ordering: 'per-channel',
    delivery: { kind: 'pull', leaseMs: 30_000, deliveriesMax: 1 },
  });
  await publishAll(kit, 'jobs.a', 1);
  const giveBack = async (): Promise<void> => {
    const [event] = (await queue.pull({ waitMs: 10_000 })) as [LeasedEvent];
    expect(dataOf(event)).toBe(1);
    kit.engine.pullService.release(queue.id, [event.lease], 0);
  };
  await giveBack();
  const waiting = giveBack();
  expect(await subscriptions.retryDeadLetters(queue.id, undefined)).toBe(1);
  await waiting;
  expect(await subscriptions.deadLetters(queue.id, { limit: 10 })).toHaveLength(1);
  await subscriptions.retryDeadLetters(queue.id, undefined);
  queue.acknowledge(...(await queue.pull({ waitMs: 10_000 })));
  expect(await subscriptions.deadLetters(queue.id, { limit: 10 })).toEqual([]);
});

test('a retried dead letter is delivered after a restart too, although its type no longer matches', async () => {
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  const delivery = { kind: 'pull', leaseMs: 30_000, deliveriesMax: 1 } as const;
  const queue = await openPullQueue(kit, { ordering: 'per-channel', delivery });
  await publishAll(kit, 'jobs.a', 1, 2);
  await publishAll(kit, 'jobs.b', 'one bad');
  await publishAll(kit, 'jobs.c', 'other bad');
  const [first] = (await queue.pull({ countMax: 1 })) as [LeasedEvent];
  queue.acknowledge(first);
  const bad = await queue.pull({ countMax: 2 });
  expect([first, ...bad].map(dataOf)).toEqual([1, 'one bad', 'other bad']);
  const leases = bad.map(({ lease }) => lease);
  kit.engine.pullService.release(queue.id, leases, 0);
  // The cursor is before these events, because event 2 has not been leased.
  expect(await subscriptions.retryDeadLetters(queue.id, undefined)).toBe(2);
  const events = await queue.pull({ countMax: 2 });
  expect(events.map(dataOf)).toEqual([2, 'one bad']);
  queue.acknowledge(...events);
  await subscriptions.change(queue.id, { types: ['other'] }, undefined);
  await kit.close();
  const reopened = pullQueueOf(await openSubscriptionKit({ persisted: kit }), queue.id);
  expect((await reopened.pull()).map(dataOf)).toEqual(['other bad']);
});

test('it continues with another definition: lower concurrency, another order, other channels', async () => {
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  const queue = await openPullQueue(kit);
  await publishAll(kit, 'jobs.a', 1, 2, 3);
  const leased = await queue.pull({ countMax: 1 });
  await subscriptions.change(queue.id, { concurrencyMax: 1, ordering: 'per-channel' }, undefined);
  expect(await queue.pull()).toEqual([]);
  expect(queue.acknowledge(...leased)).toEqual(['ok']);
  const next = await queue.pull({ waitMs: 10_000 });
  expect(next.map(dataOf)).toEqual([2]);
  await subscriptions.change(queue.id, { channels: ['other'] }, undefined);
  expect(queue.acknowledge(...next)).toEqual(['ok']);
  await publishAll(kit, 'other', 'else');
  const rest: unknown[] = [];
  while (!rest.includes('else')) {
    const events = await queue.pull({ waitMs: 10_000 });
    rest.push(...events.map(dataOf));
    queue.acknowledge(...events);
  }
  expect(rest.at(-1)).toBe('else');
});
