import { expect, test } from 'vitest';
import { openSubscriptionKit, openReceiver, webhook, type Received } from '../../testing/subscription-kit.ts';
import { HOUR_MS, openVirtualTime } from '../../testing/virtual-time.ts';

const batchOf = ({ body }: Received): readonly { readonly data: number; readonly time: string }[] =>
  JSON.parse(body) as { data: number; time: string }[];

const dataOf = (received: Received): readonly number[] => batchOf(received).map(({ data }) => data);

/**
 * Time from the publication of the first event to the start of the request. It uses the clock of
 * the kit, in whole seconds.
 */
function waitedMs(received: Received): number {
  const [first] = batchOf(received);
  return Number(received.headers['webhook-timestamp']) * 1000 - Date.parse(first?.time as string);
}

const ROUNDED_MS = 1000;

test('single events wait for others, and a full batch is sent immediately', async () => {
  const receiver = await openReceiver();
  const other = await openReceiver();
  const kit = await openSubscriptionKit();
  await kit.create(webhook(receiver.url, {}, { batch: { countMax: 3, waitMs: HOUR_MS } }));
  await kit.create(webhook(other.url));
  for (let count = 0; count < 10; count++) {
    await kit.publish(`a.${count % 2}`, count);
    // Another subscription has received the event, so this one could have received it too.
    await other.until(({ length }) => length === count + 1);
    await receiver.until(({ length }) => length === Math.floor((count + 1) / 3));
    expect(receiver.received).toHaveLength(Math.floor((count + 1) / 3));
  }
  expect(receiver.received.map((one) => dataOf(one).toSorted())).toEqual([
    [0, 1, 2],
    [3, 4, 5],
    [6, 7, 8],
  ]);
});

test('a partial batch is sent when its first event has waited for the whole delay, and not before', async () => {
  const receiver = await openReceiver();
  const travel = await openVirtualTime();
  const { kit } = travel;
  await kit.create(webhook(receiver.url, {}, { batch: { countMax: 100, waitMs: HOUR_MS } }));
  for (const [round, counts] of [
    [0, 1, 2],
    [3, 4],
  ].entries()) {
    for (const count of counts) await kit.publish('a.1', count);
    await travel.advance(HOUR_MS - ROUNDED_MS);
    expect(receiver.received).toHaveLength(round);
    await travel.until(() => receiver.received.length === round + 1, HOUR_MS);
    const came = receiver.received[round] as Received;
    expect(dataOf(came)).toEqual(counts);
    expect(waitedMs(came)).toBeGreaterThanOrEqual(HOUR_MS - ROUNDED_MS);
  }
});

test('a backlog is sent in full batches, and only the rest waits', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  for (let count = 0; count < 8; count++) await kit.publish(`a.${count % 3}`, count);
  const options = { ordering: 'none', cursor: 0 } as const;
  const batch = { countMax: 3, waitMs: HOUR_MS };
  await kit.create(webhook(receiver.url, options, { batch }));
  await receiver.until(({ length }) => length === 2);
  await kit.publish('a.1', 8);
  await receiver.until(({ length }) => length === 3);
  expect(receiver.received.map(dataOf)).toEqual([
    [0, 1, 2],
    [3, 4, 5],
    [6, 7, 8],
  ]);
});
