import { describe, expect, test, vi } from 'vitest';
import type { NewRecord } from '../../core/ports.ts';
import { createMemoryLog } from '../../storage/memory/memory-log.ts';
import {
  openReceiver,
  webhook,
  type SubscriptionKit,
  type PersistedState,
  type Receiver,
} from '../../testing/subscription-kit.ts';
import { createMemoryState } from '../../storage/memory/memory-subscription-store.ts';
import { lifecycleEventsOf, openVirtualTime } from '../../testing/virtual-time.ts';

/** A log with events of one channel. The broken ones cannot be assembled into a request. */
async function logWith(kinds: readonly ('good' | 'broken')[], channel = 'a.1'): Promise<PersistedState> {
  const log = createMemoryLog();
  await log.append(kinds.map((kind, index) => stored(channel, kind === 'good' ? `"data":${index}}` : '"dat":0}')));
  return { log, state: createMemoryState() };
}

function stored(channel: string, end: string): NewRecord {
  return {
    channel,
    type: undefined,
    timeMs: Date.now(),
    body: Buffer.from(`"channel":"${channel}","time":"${new Date().toISOString()}",${end}`),
    retain: 'history',
    idempotencyKey: undefined,
    fingerprint: undefined,
    ifLatest: undefined,
  };
}

async function lettersOf(
  { engine: deliveries }: SubscriptionKit,
  id: string,
): Promise<readonly (readonly [number, string])[]> {
  const letters = await deliveries.subscriptions.deadLetters(id, { after: undefined, limit: 100 });
  return letters.map(({ position, outcome }) => [position, outcome]);
}

function dataOf({ received }: Receiver): readonly unknown[] {
  return received.flatMap(({ body }) => JSON.parse(body) as unknown);
}

const WITH_A_STOPPED_CLOCK = { nowMs: () => Date.now() };

describe('an event from which no request can be made', () => {
  test('is a dead letter immediately, with its reason, and those behind it are sent without a retry', async () => {
    const receiver = await openReceiver();
    const { kit } = await openVirtualTime({
      kit: await logWith(['broken', 'good', 'broken', 'good']),
      ...WITH_A_STOPPED_CLOCK,
    });
    const id = await kit.create(webhook(receiver.url, {}, { format: 'data' }));
    await receiver.until(({ length }) => length === 2);
    expect(dataOf(receiver)).toEqual([1, 3]);
    await vi.waitFor(async () =>
      expect(await lettersOf(kit, id)).toEqual([
        [1, 'request'],
        [3, 'request'],
      ]),
    );
    const [deadLetter] = await kit.engine.subscriptions.deadLetters(id, { after: undefined, limit: 1 });
    expect(deadLetter).toMatchObject({
      attempts: 1,
      detail: 'The hub cannot build a request for this event. The log of the hub has the reason.',
    });
    await vi.waitFor(async () =>
      expect((await lifecycleEventsOf(kit)).map(({ kind, data }) => [kind, data['outcome']])).toEqual([
        ['dead-letter', 'request'],
        ['dead-letter', 'request'],
      ]),
    );
    await vi.waitFor(() =>
      expect(kit.engine.subscriptions.backlog(id)).toMatchObject({
        failing: 0,
        waiting: 0,
        deadLetters: 2,
        lagEvents: 0,
      }),
    );
  });

  test.each(['none', 'per-channel'] as const)(
    'is left out of a batch, which is sent with all others: order %s',
    async (ordering) => {
      const receiver = await openReceiver();
      const kept = await logWith(['good', 'good', 'broken', 'good', 'broken', 'broken', 'good', 'good']);
      await kept.log.append([stored('a.2', '"data":8}'), stored('a.3', '"dat":0}')]);
      const { kit } = await openVirtualTime({ kit: kept, ...WITH_A_STOPPED_CLOCK });
      const id = await kit.create(
        webhook(receiver.url, { ordering }, { format: 'data', batch: { countMax: 10, waitMs: 0 } }),
      );
      await vi.waitFor(() => expect(dataOf(receiver).toSorted()).toEqual([0, 1, 3, 6, 7, 8]));
      await vi.waitFor(async () =>
        expect((await lettersOf(kit, id)).map(([position]) => position)).toEqual([3, 5, 6, 10]),
      );
      expect(kit.engine.subscriptions.get(id)?.status).toMatchObject({ state: 'active', failingSinceMs: undefined });
    },
  );

  test('is found by the HTTP client: it does not count against the endpoint, and is a dead letter as well', async () => {
    const receiver = await openReceiver();
    const { kit } = await openVirtualTime({ kit: await logWith(['good']), ...WITH_A_STOPPED_CLOCK });
    const id = await kit.create(webhook(receiver.url, {}, { headers: { 'x-a': 'a\nx-b: c' } }));
    await vi.waitFor(async () => expect(await lettersOf(kit, id)).toEqual([[1, 'request']]));
    expect(kit.engine.subscriptions.get(id)?.status).toMatchObject({ state: 'active', failingSinceMs: undefined });
    expect(receiver.received).toEqual([]);
  });
});

test('the events of a failed batch without retries are dead letters, one each', async () => {
  const receiver = await openReceiver();
  receiver.answer = (_received, response) => response.writeHead(500).end();
  const { kit } = await openVirtualTime({ kit: await logWith(['good', 'good', 'good']), ...WITH_A_STOPPED_CLOCK });
  const id = await kit.create(
    webhook(receiver.url, {}, { format: 'data', batch: { countMax: 10, waitMs: 0 }, retryDelaysMs: [] }),
  );
  await vi.waitFor(async () => expect((await lettersOf(kit, id)).map(([position]) => position)).toEqual([1, 2, 3]));
});
