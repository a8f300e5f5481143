import type { ServerResponse } from 'node:http';
import { expect, test, vi } from 'vitest';
import { answerWith, openReceiver, type Receiver } from '../../testing/subscription-kit.ts';
import {
  DAY_MS,
  HOUR_MS,
  MINUTE_MS,
  lifecycleEventsOf,
  openVirtualTime,
  SECOND_MS,
  defaultWebhook,
  type VirtualTime,
} from '../../testing/virtual-time.ts';

interface Arrival {
  readonly atMs: number;
  readonly data: unknown;
}

/** Answers the first request with `answer` and all others with success. Records the arrivals. */
function answerFirst(receiver: Receiver, travel: VirtualTime, answer: (response: ServerResponse) => void): Arrival[] {
  const arrivals: Arrival[] = [];
  receiver.answer = ({ body }, response) => {
    arrivals.push({ atMs: travel.nowMs(), data: (JSON.parse(body) as { data: unknown }).data });
    if (arrivals.length === 1) answer(response);
    else response.writeHead(204).end();
  };
  return arrivals;
}

async function outcomesOf({ kit }: VirtualTime, id: string): Promise<readonly string[]> {
  const attempts = await kit.engine.subscriptions.attempts(id, { before: Infinity, limit: 100 });
  return attempts.map(({ outcome }) => outcome).toReversed();
}

test.each([
  [429, 'seconds', () => '7200', 2 * HOUR_MS],
  [503, 'a date', (nowMs: number) => new Date(nowMs + 2 * HOUR_MS + SECOND_MS).toUTCString(), 2 * HOUR_MS],
  [502, 'more than a day', () => '1000000', DAY_MS],
  [504, 'a date after more than a day', (nowMs: number) => new Date(nowMs + 99 * DAY_MS).toUTCString(), DAY_MS],
] as const)('%d with Retry-After in %s is obeyed by the whole subscription', async (status, _form, text, waitMs) => {
  const receiver = await openReceiver();
  const travel = await openVirtualTime();
  const arrivals = answerFirst(receiver, travel, (response) =>
    response.writeHead(status, { 'retry-after': text(travel.nowMs()) }).end(),
  );
  const id = await travel.kit.create(defaultWebhook(receiver.url));
  await travel.kit.publish('a.1', 1);
  await travel.settle();
  await travel.kit.publish('a.2', 2);
  await travel.until(() => arrivals.length === 3, 2 * DAY_MS);
  const [first, ...later] = arrivals as [Arrival, ...Arrival[]];
  expect(later.map(({ data }) => data).toSorted()).toEqual([1, 2]);
  for (const { atMs } of later) {
    expect(atMs - first.atMs).toBeGreaterThanOrEqual(waitMs);
    expect(atMs - first.atMs).toBeLessThan(waitMs * 1.03);
  }
  expect(await outcomesOf(travel, id)).toEqual(['slowed_down', 'delivered', 'delivered']);
});

test('the whole subscription obeys 503 with Retry-After across a restart of the hub', async () => {
  const receiver = await openReceiver();
  const before = await openVirtualTime();
  const arrivals: Arrival[] = answerFirst(receiver, before, (response) =>
    response.writeHead(503, { 'retry-after': '7200' }).end(),
  );
  await before.kit.create(defaultWebhook(receiver.url));
  await before.kit.publish('a.1', 1);
  await before.settle();
  await before.kit.close();
  const travel = await openVirtualTime(before);
  await travel.kit.publish('a.2', 2);
  await travel.advance(2 * HOUR_MS - MINUTE_MS, MINUTE_MS);
  expect(arrivals).toHaveLength(1);
  await travel.until(() => arrivals.length === 3, HOUR_MS);
  expect(arrivals.map(({ data }) => data).toSorted()).toEqual([1, 1, 2]);
});

test('500 with Retry-After is obeyed by its event; the other channels continue', async () => {
  const receiver = await openReceiver();
  const travel = await openVirtualTime();
  const arrivals = answerFirst(receiver, travel, (response) =>
    response.writeHead(500, { 'retry-after': '3600' }).end(),
  );
  await travel.kit.create(defaultWebhook(receiver.url));
  await travel.kit.publish('a.1', 1);
  await travel.settle();
  await travel.kit.publish('a.2', 2);
  await travel.until(() => arrivals.length === 3, DAY_MS);
  const [first, other, again] = arrivals as [Arrival, Arrival, Arrival];
  expect([other.data, again.data]).toEqual([2, 1]);
  expect(other.atMs).toBe(first.atMs);
  expect(again.atMs - first.atMs).toBeGreaterThanOrEqual(HOUR_MS);
});

test('an endpoint that does not answer in time is retried after the schedule', async () => {
  const receiver = await openReceiver();
  const travel = await openVirtualTime();
  const arrivals = answerFirst(receiver, travel, () => undefined);
  const options = defaultWebhook(receiver.url, {}, { timeoutMs: 1000 });
  const id = await travel.kit.create(options);
  await travel.kit.publish('a.1', 1);
  await travel.until(() => arrivals.length === 2, HOUR_MS);
  expect(await outcomesOf(travel, id)).toEqual(['timeout', 'delivered']);
  const [first, again] = arrivals as [Arrival, Arrival];
  expect(again.atMs - first.atMs).toBeGreaterThanOrEqual(4 * SECOND_MS);
  expect(again.atMs - first.atMs).toBeLessThan(7 * SECOND_MS);
});

test.each([301, 302, 303, 307, 308])('%d is a failure, and is not followed', async (status) => {
  const receiver = await openReceiver();
  const elsewhere = await openReceiver();
  const travel = await openVirtualTime();
  const arrivals = answerFirst(receiver, travel, (response) =>
    response.writeHead(status, { location: elsewhere.url }).end(),
  );
  const id = await travel.kit.create(defaultWebhook(receiver.url));
  await travel.kit.publish('a.1', 1);
  await travel.until(() => arrivals.length === 2, HOUR_MS);
  expect(await outcomesOf(travel, id)).toEqual(['redirected', 'delivered']);
  expect(elsewhere.received).toEqual([]);
});

test('410 ends it, which is reported; nothing more is sent', async () => {
  const receiver = await openReceiver();
  const travel = await openVirtualTime();
  const arrivals = answerFirst(receiver, travel, (response) => response.writeHead(410).end());
  const { subscriptions } = travel.kit.engine;
  const id = await travel.kit.create(defaultWebhook(receiver.url));
  for (let count = 0; count < 3; count++) await travel.kit.publish(`a.${count}`, count);
  await travel.advance(7 * DAY_MS, HOUR_MS);
  expect(arrivals).toHaveLength(1);
  expect(subscriptions.get(id)?.status).toMatchObject({ state: 'ended', reason: 'gone' });
  expect(await lifecycleEventsOf(travel.kit)).toMatchObject([
    { kind: 'ended', data: { subscription: id, state: 'ended', reason: 'gone' } },
  ]);
});

test('the first success of a failing endpoint makes the waiting events of replays due too', async () => {
  const receiver = await openReceiver();
  const travel = await openVirtualTime();
  const { subscriptions, counts } = travel.kit.engine;
  const id = await travel.kit.create(defaultWebhook(receiver.url, {}, { retryDelaysMs: [10 * HOUR_MS] }));
  for (let count = 0; count < 5; count++) await travel.kit.publish(`a.${count}`, count);
  await travel.until(() => receiver.received.length === 5, MINUTE_MS);
  receiver.answer = answerWith(500);
  await subscriptions.replay(id, { after: 0, channel: undefined });
  await travel.until(() => counts.webhooks.outcomes['refused_status'] === 5, HOUR_MS);
  receiver.answer = answerWith(200);
  await travel.kit.publish('a.9', 9);
  await travel.until(() => receiver.received.length === 16, HOUR_MS);
  expect(subscriptions.replays(id)).toHaveLength(1);
});

test.each([429, 502, 503, 504])(
  '%d halves the concurrency immediately; then it rises by one per round',
  async (status) => {
    const receiver = await openReceiver();
    const { kit } = await openVirtualTime();
    let held: ServerResponse[] = [];
    receiver.answer = (_received, response) => held.push(response);
    await kit.create(defaultWebhook(receiver.url, { ordering: 'none' }));
    for (let count = 0; count < 150; count++) await kit.publish('a.1', count);
    const until = (count: number): Promise<void> =>
      vi.waitFor(() => {
        expect(kit.engine.counts.webhooks.inFlight).toBe(count);
        expect(held).toHaveLength(count);
      });
    const answerAll = (): void => {
      for (const response of held) response.writeHead(204).end();
      held = [];
    };
    for (const count of [1, 2, 4, 8, 16]) {
      await until(count);
      answerAll();
    }
    await until(16);
    held.shift()?.writeHead(status).end();
    await until(15);
    answerAll();
    for (const count of [9, 10, 11]) {
      await until(count);
      answerAll();
    }
    await until(12);
    receiver.answer = answerWith(204);
    answerAll();
    await vi.waitFor(() => expect(kit.engine.counts.webhooks.events).toBe(149));
  },
);
