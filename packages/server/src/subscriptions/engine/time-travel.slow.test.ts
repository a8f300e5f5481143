import { encodeCursor } from '@polycast/protocol';
import { expect, test } from 'vitest';
import { openReceiver, type SubscriptionKit, type Received, type Receiver } from '../../testing/subscription-kit.ts';
import { openPullQueue } from '../../testing/pull-queue.ts';
import {
  DAY_MS,
  DEFAULTS,
  HOUR_MS,
  MINUTE_MS,
  lifecycleEventsOf,
  openVirtualTime,
  SECOND_MS,
  defaultWebhook,
  type VirtualTime,
} from '../../testing/virtual-time.ts';

const GAP = 'polycast.gap';

interface LifecycleRecord {
  readonly channel: string;
  readonly type?: string;
  readonly data: unknown;
}

function lifecycleEvents({ body }: Received): LifecycleRecord {
  return JSON.parse(body) as LifecycleRecord;
}

/** The receiver answers with a status; returns the events that it accepted. */
function answerBy(receiver: Receiver, status: () => number): LifecycleRecord[] {
  const taken: LifecycleRecord[] = [];
  receiver.answer = (received, response) => {
    if (status() < 300) taken.push(lifecycleEvents(received));
    response.writeHead(status()).end();
  };
  return taken;
}

function create({ kit }: VirtualTime, url: string, options: object = {}, delivery: object = {}): Promise<string> {
  return kit.create(defaultWebhook(url, options, delivery));
}

interface Published {
  readonly position: number;
  readonly channel: string;
  readonly data: number;
}

async function publish({ kit }: VirtualTime, published: Published[]): Promise<void> {
  const data = published.length;
  const channel = `a.${data % 3}`;
  published.push({ position: await kit.publish(channel, data), channel, data });
}

/** Publishes an event every six hours until the subscription is suspended. */
async function failUntilSuspended(travel: VirtualTime, id: string): Promise<Published[]> {
  const { subscriptions } = travel.kit.engine;
  const published: Published[] = [];
  while (subscriptions.get(id)?.status.state === 'active') {
    await publish(travel, published);
    await travel.advance(6 * HOUR_MS, 10 * MINUTE_MS);
    if (published.length > 40) throw new Error('it is not suspended');
  }
  return published;
}

test('an event is retried by the schedule over three days, each delay with a jitter of a fifth, and becomes a dead letter', async () => {
  const receiver = await openReceiver();
  answerBy(receiver, () => 500);
  const travel = await openVirtualTime();
  const { subscriptions } = travel.kit.engine;
  const id = await create(travel, receiver.url);
  const position = await travel.kit.publish('a.1', 1);
  await travel.until(() => subscriptions.backlog(id).deadLetters === 1, 5 * DAY_MS);
  await travel.advance(5 * DAY_MS, HOUR_MS);

  const attempts = (await subscriptions.attempts(id, { before: Infinity, limit: 100 })).toReversed();
  expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const ratios: number[] = [];
  for (const [index, delaySeconds] of [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400].entries()) {
    const [before, after] = attempts.slice(index, index + 2).map(({ startedMs }) => startedMs) as [number, number];
    const ratio = (after - before) / (delaySeconds * SECOND_MS);
    expect(ratio).toBeGreaterThanOrEqual(0.8);
    expect(ratio).toBeLessThan(1.2 * 1.03);
    ratios.push(ratio);
  }
  expect(Math.max(...ratios) - Math.min(...ratios)).toBeGreaterThan(0.02);
  expect(await subscriptions.deadLetters(id, { limit: 10 })).toMatchObject([
    { position, channel: 'a.1', attempts: 10, outcome: 'refused_status', sinceMs: attempts.at(-1)?.startedMs },
  ]);
  const news = await lifecycleEventsOf(travel.kit);
  expect(news.map(({ kind }) => kind)).toEqual(['failing', 'dead-letter']);
  expect(news[1]).toMatchObject({
    timeMs: attempts.at(-1)?.startedMs,
    data: { event: encodeCursor(travel.kit.feed.epoch, position), channel: 'a.1', attempts: 10 },
  });
});

test('the failing event is sent after a day, then the endpoint is suspended, and after its recovery it receives everything', async () => {
  const receiver = await openReceiver();
  let status = 503;
  const taken = answerBy(receiver, () => status);
  const travel = await openVirtualTime();
  const { kit } = travel;
  const { subscriptions } = kit.engine;
  const id = await create(travel, receiver.url);
  const startMs = travel.nowMs();
  const published = await failUntilSuspended(travel, id);

  const failed = await lifecycleEventsOf(kit);
  const failing = failed.find(({ kind }) => kind === 'failing');
  const suspended = failed.find(({ kind }) => kind === 'suspended');
  expect(failed.filter(({ kind }) => kind === 'failing')).toHaveLength(1);
  const afterMs = (timeMs: number | undefined): number => (timeMs ?? 0) - startMs;
  expect(afterMs(failing?.timeMs)).toBeGreaterThanOrEqual(DAY_MS);
  // The first failure after that moment reveals it: events of three channels wait for hours then.
  expect(afterMs(failing?.timeMs)).toBeLessThan(2 * DAY_MS);
  expect(afterMs(suspended?.timeMs)).toBeGreaterThanOrEqual(5 * DAY_MS);
  expect(afterMs(suspended?.timeMs)).toBeLessThan(6.2 * DAY_MS);
  expect(failing?.data).toMatchObject({
    failingSince: new Date(startMs).toISOString(),
    suspendedAt: new Date(startMs + 5 * DAY_MS).toISOString(),
  });
  expect(suspended?.data).toMatchObject({ state: 'suspended', reason: 'failing' });
  const deadLetters = await subscriptions.deadLetters(id, { limit: 100 });
  expect(deadLetters.length).toBeGreaterThan(0);
  expect(failed.filter(({ kind }) => kind === 'dead-letter')).toHaveLength(deadLetters.length);
  expect(failed.indexOf(failing as never)).toBeLessThan(failed.findIndex(({ kind }) => kind === 'dead-letter'));

  // About one probe an hour, whatever the backlog is; a probe does not count as an attempt.
  const probedBefore = receiver.received.length;
  for (let more = 0; more < 30; more++) await publish(travel, published);
  await travel.advance(2 * DAY_MS, 5 * MINUTE_MS);
  const probes = receiver.received.length - probedBefore;
  expect(probes).toBeGreaterThanOrEqual(48 / 1.4);
  expect(probes).toBeLessThanOrEqual(48 / 0.8);
  expect(await subscriptions.deadLetters(id, { limit: 100 })).toHaveLength(deadLetters.length);

  status = 204;
  await travel.until(() => subscriptions.get(id)?.status.state === 'active', 1.3 * HOUR_MS);
  await travel.advance(2 * MINUTE_MS, SECOND_MS);
  expect(subscriptions.backlog(id)).toMatchObject({ inFlight: 0, failing: 0, lagMs: 0, lagPositions: 0 });
  expect(subscriptions.get(id)?.status).toMatchObject({ state: 'active', reason: 'healed' });
  const news = await lifecycleEventsOf(kit);
  expect(news.at(-1)).toMatchObject({ kind: 'resumed', data: { state: 'active', reason: 'healed' } });
  const lost = new Set(deadLetters.map(({ position }) => position));
  const wanted = published.filter(({ position }) => !lost.has(position)).map(({ data }) => data);
  expect(taken.map(({ data }) => data).toSorted(byNumber)).toEqual(wanted);
  for (const channel of ['a.0', 'a.1', 'a.2']) {
    const inChannel = taken.filter((one) => one.channel === channel).map(({ data }) => data);
    expect(inChannel).toEqual(inChannel.toSorted(byNumber));
  }
});

test.each(['running', 'started anew'])(
  'a suspended endpoint receives the gap of retention by age in its place: a hub that is %s',
  async (how) => {
    const receiver = await openReceiver();
    let status = 500;
    const taken = answerBy(receiver, () => status);
    let travel = await openVirtualTime();
    const id = await create(travel, receiver.url);
    const published = await failUntilSuspended(travel, id);
    for (let hour = 0; hour < 60; hour++) {
      await publish(travel, published);
      await travel.advance(HOUR_MS, 20 * MINUTE_MS);
    }
    await trim(travel, DAY_MS);
    const lost = new Set(
      (await travel.kit.engine.subscriptions.deadLetters(id, { limit: 100 })).map(({ position }) => position),
    );
    if (how === 'started anew') {
      await travel.kit.close();
      travel = await openVirtualTime(travel);
      expect(travel.kit.engine.subscriptions.get(id)?.status.state).toBe('suspended');
    }
    status = 204;
    const { subscriptions } = travel.kit.engine;
    await travel.until(() => subscriptions.get(id)?.status.state === 'active', 1.3 * HOUR_MS);
    await travel.advance(2 * MINUTE_MS, SECOND_MS);
    const isReported = (one: Published): boolean =>
      taken.some(({ type, channel, data }) => type !== GAP && channel === one.channel && data === one.data);
    const gaps = gapsOf(travel.kit, taken);
    const isInGap = ({ position, channel }: Published): boolean =>
      gaps.some((gap) => gap.from < position && position <= gap.to && [GAP, channel].includes(gap.channel));
    const wanted = published.filter(({ position }) => !lost.has(position));
    expect(wanted.filter((one) => !isReported(one) && !isInGap(one))).toEqual([]);
    // Every event that is still in the log was delivered, and some others were not.
    expect(wanted.slice(-23).every(isReported)).toBe(true);
    expect(wanted.every(isReported)).toBe(false);
    for (const channel of ['a.0', 'a.1', 'a.2']) {
      const inChannel = taken.filter((one) => one.type !== GAP && one.channel === channel).map(({ data }) => data);
      expect(inChannel).toEqual(inChannel.toSorted(byNumber));
    }
  },
);

test('a delayed channel receives the gap of retention in its place, and other channels miss nothing', async () => {
  const receiver = await openReceiver();
  let isWell = false;
  const taken: LifecycleRecord[] = [];
  receiver.answer = (received, response) => {
    const one = lifecycleEvents(received);
    const isTaken = isWell || one.channel !== 'a.bad';
    if (isTaken) taken.push(one);
    response.writeHead(isTaken ? 204 : 500).end();
  };
  let travel = await openVirtualTime();
  await create(travel, receiver.url);
  for (let count = 0; count < 10; count++)
    for (const channel of ['a.bad', 'a.good']) await travel.kit.publish(channel, count);
  await travel.advance(MINUTE_MS, SECOND_MS);
  expect(taken.map(({ channel, data }) => [channel, data])).toEqual(
    Array.from({ length: 10 }, (_, n) => ['a.good', n]),
  );
  await travel.kit.close();
  await travel.kit.log.trim([{ channel: 'a.bad', countMax: 3 }], travel.nowMs());

  travel = await openVirtualTime(travel);
  isWell = true;
  taken.length = 0;
  await travel.until(() => taken.length >= 4, DAY_MS);
  await travel.advance(DAY_MS, HOUR_MS);
  expect(new Set(taken.map(({ channel }) => channel))).toEqual(new Set(['a.bad']));
  const gaps = gapsOf(travel.kit, taken);
  expect(taken.slice(gaps.length).map(({ type, data }) => [type, data])).toEqual([7, 8, 9].map((n) => [undefined, n]));
  expect(gaps[0]?.from).toBe(0);
  expect(gaps.at(-1)?.to).toBe(13);
  // Events of another channel may be between two gaps, but none of this one.
  const lost = [1, 3, 5, 7, 9, 11, 13];
  expect(lost.filter((position) => !gaps.some(({ from, to }) => from < position && position <= to))).toEqual([]);
});

test('a rotated secret signs for one more day, and then no longer', async () => {
  const receiver = await openReceiver();
  const travel = await openVirtualTime();
  const id = await create(travel, receiver.url);
  const signatures = async (): Promise<readonly string[]> => {
    await travel.kit.publish('a.1', 1);
    await travel.settle();
    return String(receiver.received.at(-1)?.headers['webhook-signature']).split(' ');
  };
  expect(await signatures()).toHaveLength(1);
  await travel.kit.engine.subscriptions.rotateSecret(id, 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', DAY_MS);
  expect(await signatures()).toHaveLength(2);
  await travel.advance(DAY_MS - SECOND_MS);
  expect(await signatures()).toHaveLength(2);
  await travel.advance(SECOND_MS);
  expect(await signatures()).toHaveLength(1);
  expect(receiver.received).toHaveLength(4);
});

test('a lease of ten days ends, which is reported, and nothing more is sent', async () => {
  const receiver = await openReceiver();
  const taken = answerBy(receiver, () => 204);
  const travel = await openVirtualTime();
  const { subscriptions } = travel.kit.engine;
  const delivery = { dialect: 'websub', format: 'data', secrets: [] };
  const endsMs = travel.nowMs() + 10 * DAY_MS;
  const id = await create(travel, receiver.url, { channels: ['a.1'], endsMs }, delivery);
  receiver.answer = (received, response) => {
    taken.push({ channel: '', data: received.body });
    response.writeHead(204).end();
  };
  await travel.advance(10 * DAY_MS - SECOND_MS, HOUR_MS);
  await travel.kit.publish('a.1', 1);
  await travel.settle();
  expect(subscriptions.get(id)?.status.state).toBe('active');
  await travel.advance(SECOND_MS);
  expect(subscriptions.get(id)?.status).toMatchObject({ state: 'ended', reason: 'lease_over', sinceMs: endsMs });
  await travel.kit.publish('a.1', 2);
  await travel.advance(DAY_MS, HOUR_MS);
  expect(taken.map(({ data }) => data)).toEqual(['1']);
  expect(await lifecycleEventsOf(travel.kit)).toMatchObject([
    { kind: 'ended', timeMs: endsMs, data: { subscription: id, state: 'ended', reason: 'lease_over' } },
  ]);
});

test('a lease of a pull ends in time; after the last one the event is a dead letter, which is reported', async () => {
  const travel = await openVirtualTime();
  const { leaseSeconds, deliveriesMax } = DEFAULTS;
  const delivery = { kind: 'pull', leaseMs: leaseSeconds * SECOND_MS, deliveriesMax } as const;
  const queue = await openPullQueue(travel.kit, { delivery });
  const position = await travel.kit.publish('jobs.a', 1);
  await travel.settle();
  for (let turn = 1; turn <= deliveriesMax; turn++) {
    expect(await queue.pull()).toMatchObject([
      { delivery: turn, leaseEndsMs: travel.nowMs() + leaseSeconds * SECOND_MS },
    ]);
    await travel.advance(leaseSeconds * SECOND_MS - 1);
    expect(await queue.pull()).toEqual([]);
    await travel.advance(1);
  }
  expect(await queue.pull()).toEqual([]);
  const { subscriptions } = travel.kit.engine;
  const deadLetter = { position, attempts: deliveriesMax, outcome: 'deliveries', sinceMs: travel.nowMs() };
  expect(await subscriptions.deadLetters(queue.id, { limit: 10 })).toMatchObject([deadLetter]);
  expect(await lifecycleEventsOf(travel.kit)).toMatchObject([
    { kind: 'dead-letter', timeMs: travel.nowMs(), data: { attempts: deliveriesMax, outcome: 'deliveries' } },
  ]);
});

test('an endpoint that passes the third verification is reported as verified; one that never does as ended', async () => {
  const receiver = await openReceiver();
  const travel = await openVirtualTime();
  let isWilling = false;
  receiver.answer = (received, response) => {
    const { type, data } = lifecycleEvents(received);
    if (type !== 'polycast.verify') return response.writeHead(204).end();
    if (isWilling) response.end((data as { readonly challenge: string }).challenge);
    else response.writeHead(500).end();
  };
  const { subscriptions } = travel.kit.engine;
  const id = await create(travel, receiver.url, { isTrusted: false });
  await receiver.until(({ length }) => length === 1);
  await travel.until(() => receiver.received.length === 2, MINUTE_MS);
  isWilling = true;
  await travel.until(() => subscriptions.get(id)?.status.state === 'active', 2 * MINUTE_MS);
  expect(await lifecycleEventsOf(travel.kit)).toMatchObject([
    { kind: 'verified', data: { subscription: id, reason: 'verified' } },
  ]);

  isWilling = false;
  const startMs = travel.nowMs();
  const other = await create(travel, receiver.url, { isTrusted: false });
  await travel.until(() => subscriptions.get(other)?.status.state === 'ended', 3 * HOUR_MS);
  const [, ended] = await lifecycleEventsOf(travel.kit);
  expect(ended).toMatchObject({ kind: 'ended', data: { subscription: other, reason: 'refused' } });
  expect((ended?.timeMs ?? 0) - startMs).toBeGreaterThan(0.8 * HOUR_MS);
  expect((ended?.timeMs ?? 0) - startMs).toBeLessThan(1.6 * HOUR_MS);
});

async function trim({ kit, nowMs }: VirtualTime, ageMs: number): Promise<void> {
  const orders = ['a.0', 'a.1', 'a.2'].map((channel) => ({ channel, olderThanMs: nowMs() - ageMs }));
  while ((await kit.log.trim(orders, nowMs())).more);
}

interface Gap {
  readonly channel: string;
  readonly from: number;
  readonly to: number;
}

function gapsOf({ feed }: SubscriptionKit, taken: readonly LifecycleRecord[]): readonly Gap[] {
  const positionOf = (cursor: string): number => {
    for (let position = 0; position <= feed.head; position++)
      if (encodeCursor(feed.epoch, position) === cursor) return position;
    throw new Error(`${cursor} is none of this log's`);
  };
  return taken
    .filter(({ type }) => type === GAP)
    .map(({ channel, data }) => {
      const { from, to } = data as { readonly from: string; readonly to: string };
      return { channel, from: positionOf(from), to: positionOf(to) };
    });
}

function byNumber(one: unknown, other: unknown): number {
  return (one as number) - (other as number);
}
