import { expect, test, vi } from 'vitest';
import { openSubscriptionHub, type Reply } from '../testing/subscription-hub.ts';

/**
 * Fast enough that events that may be delivered for some seconds after their removal disappear
 * immediately.
 */
const SPEED = 200;

test('events that retention removed are reported as a gap by every route, without a restart', async () => {
  const rules = [{ pattern: 'few.>', historyCountMax: 3 }];
  const hub = await openSubscriptionHub({ rules, storage: { retentionIntervalMs: 100 } }, SPEED);
  const ids: string[] = [];
  for (let number = 0; number < 10; number++) ids.push(await hub.publish('few.a', number));
  const [first] = ids as [string];
  const idsOf = ({ body }: Reply): unknown[] => (body['events'] as { id: string }[]).map(({ id }) => id);
  const poll = (query: string): Promise<Reply> => hub.ask('GET', `/v1/events?channel=few.a&${query}`);
  await vi.waitFor(async () => expect(idsOf(await poll('after=earliest'))).toEqual(ids.slice(7)), 10_000);
  expect(idsOf(await hub.ask('GET', '/v1/channels/few.a/history'))).toEqual(ids.slice(7));
  expect(idsOf(await poll('history=100'))).toEqual(ids.slice(7));
  const late = await poll(`after=${first}`);
  expect(idsOf(late)).toEqual(ids.slice(7));
  expect(late.body['gaps']).toMatchObject([{ to: ids[6], reason: 'retention' }]);
  const wide = await hub.ask('GET', `/v1/events?channel=${encodeURIComponent('>')}&after=${first}`);
  expect(wide.body['gaps']).toMatchObject([{ to: ids[6], reason: 'retention' }]);
  const { id } = await hub.create({
    channels: ['few.>'],
    start: first,
    delivery: { kind: 'pull', leaseSeconds: 43_200 },
  });
  const pull = async (): Promise<{ lease: string; event: { type?: string; id: string } }[]> => {
    const { body } = await hub.ask('POST', `/v1/subscriptions/${String(id)}/pull`, { count: 10 });
    return body['events'] as { lease: string; event: { type?: string; id: string } }[];
  };
  const [gap] = await pull();
  expect(gap?.event.type).toBe('polycast.gap');
  await hub.ask('POST', `/v1/subscriptions/${String(id)}/ack`, { leases: [gap?.lease] });
  expect((await pull()).map(({ event }) => event.id)).toEqual([ids[7]]);
});

test('an event beyond the maximum age is in no answer, and its channel is empty', async () => {
  const hub = await openSubscriptionHub(
    { defaults: { historyAgeMaxSeconds: 5 }, storage: { retentionIntervalMs: 100 } },
    SPEED,
  );
  await hub.publish('old.a', 1);
  await vi.waitFor(async () => expect((await hub.ask('GET', '/v1/channels/old.a')).status).toBe(404), 10_000);
  const { body } = await hub.ask('GET', '/v1/events?channel=old.a&after=earliest');
  expect(body['events']).toEqual([]);
});
