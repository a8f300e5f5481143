import type { ServerResponse } from 'node:http';
import { expect, test, vi } from 'vitest';
import {
  openSubscriptionKit,
  openReceiver,
  webhook,
  type SubscriptionKit,
  type Received,
  type Receiver,
} from '../../testing/subscription-kit.ts';

interface Held {
  readonly channel: string;
  readonly data: number;
  readonly response: ServerResponse;
}

/** An endpoint that withholds its responses from `begin` on. */
function holding(receiver: Receiver): { readonly held: Held[]; begin(): void } {
  const held: Held[] = [];
  return {
    held,
    begin() {
      receiver.answer = ({ body }, response) =>
        void held.push({ ...(JSON.parse(body) as { channel: string; data: number }), response });
    },
  };
}

/**
 * A kit with a healthy endpoint, so that its concurrency is at the maximum. Requests may be
 * withheld for a minute.
 */
async function provenKit(receiver: Receiver, options: Parameters<typeof webhook>[1]): Promise<SubscriptionKit> {
  const kit = await openSubscriptionKit();
  await kit.create(webhook(receiver.url, options, { timeoutMs: 60_000 }));
  for (let count = 0; count < 20; count++) await kit.publish(`a.${count % 4}`, -1);
  await receiver.until(({ length }) => length === 20);
  await vi.waitFor(() => expect(kit.engine.counts.webhooks).toMatchObject({ inFlight: 0, events: 20 }));
  return kit;
}

test('without order several events of a channel are in flight, within the concurrency of the subscription', async () => {
  const receiver = await openReceiver();
  const { held, begin } = holding(receiver);
  const kit = await provenKit(receiver, { ordering: 'none', concurrencyMax: 4 });
  begin();
  const seen: number[] = [];
  for (let count = 0; count < 40; count++) await kit.publish('a.1', count);
  while (seen.length < 40) {
    await vi.waitFor(() => expect(held).toHaveLength(Math.min(4, 40 - seen.length)), { interval: 5 });
    expect(kit.engine.counts.webhooks.inFlight).toBeLessThanOrEqual(4);
    // Answers the newest event first, because no request waits for another. Requests use separate
    // connections and arrive in any order.
    held.sort((one, other) => one.data - other.data);
    const { data, response } = held.pop() as Held;
    seen.push(data);
    response.end();
  }
  expect(seen.slice(0, 3)).toEqual([3, 4, 5]);
  expect(seen.toSorted((one, other) => one - other)).toEqual(Array.from({ length: 40 }, (_, index) => index));
});

test('in per-channel order one event of a channel is in flight, and several channels are', async () => {
  const receiver = await openReceiver();
  const { held, begin } = holding(receiver);
  const kit = await provenKit(receiver, { ordering: 'per-channel', concurrencyMax: 4 });
  begin();
  for (let count = 0; count < 10; count++)
    for (const channel of ['a.1', 'a.2', 'a.3']) await kit.publish(channel, count);
  const seen: Record<string, number[]> = { 'a.1': [], 'a.2': [], 'a.3': [] };
  for (let left = 30; left > 0; left--) {
    const open = Object.values(seen).filter(({ length }) => length < 10).length;
    await vi.waitFor(() => expect(held).toHaveLength(open), { interval: 5 });
    expect(new Set(held.map(({ channel }) => channel)).size).toBe(open);
    // One channel advances before the others. A slow channel delays only itself.
    const next = held.findIndex(({ channel }) => channel === (left > 20 ? 'a.2' : left > 10 ? 'a.3' : 'a.1'));
    const [{ channel, data, response }] = held.splice(next, 1) as [Held];
    seen[channel]?.push(data);
    response.end();
  }
  const all = Array.from({ length: 10 }, (_, index) => index);
  expect(seen).toEqual({ 'a.1': all, 'a.2': all, 'a.3': all });
});

/** Start of a request, in seconds of the kit's clock. */
const begunSeconds = ({ headers }: Received): number => Number(headers['webhook-timestamp']);

test('requests to an endpoint have the rate of its subscription, no more and no less', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit({ speed: 20 });
  const options = { ordering: 'none', ratePerSecond: 10 } as const;
  await kit.create(webhook(receiver.url, options));
  for (let count = 0; count < 200; count++) await kit.publish(`a.${count % 8}`, count);
  await receiver.until(({ length }) => length === 200);
  const times = receiver.received.map(begunSeconds).toSorted((one, other) => one - other);
  // In any period: the events of the rate, a burst of a tenth of a second, and the rounding to
  // seconds.
  for (const [first, begun] of times.entries())
    for (let last = first; last < times.length; last++) {
      const stretchSeconds = (times[last] as number) - begun + 1;
      expect(last - first + 1).toBeLessThanOrEqual(stretchSeconds * 10 + 1);
    }
  const tookSeconds = (times.at(-1) as number) - (times[0] as number);
  expect(tookSeconds).toBeGreaterThanOrEqual(18);
});

test('deliveries that waited for an overloaded store continue when it is not, without another trigger', async () => {
  const receiver = await openReceiver();
  const kit = await provenKit(receiver, { channels: ['a.>'] });
  let isBehind = true;
  let asked = 0;
  Object.defineProperty(kit.store, 'isOverloaded', { get: () => (asked++, isBehind) });
  await kit.publish('a.1', 1);
  await vi.waitFor(() => expect(asked).toBeGreaterThan(2));
  expect(receiver.received).toHaveLength(20);
  isBehind = false;
  await receiver.until(({ length }) => length === 21);
});
