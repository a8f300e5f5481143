import assert from 'node:assert/strict';
import type { Follower } from '../kit/clients/followers.ts';
import type { Publisher } from '../kit/clients/publishers.ts';
import { answered, call, query } from '../kit/http.ts';
import { until } from '../kit/wait.ts';

/**
 * Shows that all hubs of a cluster have one history: each confirmed event once, at every hub and
 * follower, in one order, without a gap. Publishers and followers have stopped afterwards.
 * @param channels those that the followers read
 * @returns the number of confirmed events
 */
export async function expectOneHistory(
  urls: readonly string[],
  publishers: readonly Publisher[],
  followers: readonly Follower[],
  channels: readonly string[],
): Promise<number> {
  await Promise.all(publishers.map((publisher) => publisher.stop()));
  const acknowledged = publishers.flatMap((publisher) => publisher.acknowledged);
  const last = acknowledged
    .map(({ id }) => id)
    .toSorted()
    .at(-1) as string;
  const [log = new Map<string, string>(), ...others] = await Promise.all(
    urls.map(async (url) => {
      // The hub waits for the event that a confirmed cursor names.
      const reply = await answered(() => call(`${url}/v1/events?channel=a&after=${last}`));
      assert.deepEqual(reply.json<{ gaps: unknown }>().gaps, []);
      return readAll(url, channels);
    }),
  );
  for (const other of others) assert.deepEqual([...other], [...log]);
  assert.deepEqual(
    acknowledged.filter(({ id, payload }) => log.get(id) !== payload),
    [],
  );
  assert.equal(new Set(log.values()).size, log.size);
  assert.deepEqual(
    publishers.flatMap(({ errors }) => errors),
    [],
  );
  await until('all followers have come to the end', () =>
    followers.every(({ received }) => (received.at(-1)?.id ?? '') >= last),
  );
  await Promise.all(followers.map((follower) => follower.stop()));
  for (const { received, gaps } of followers) {
    assert.deepEqual(gaps, []);
    assert.deepEqual(
      received.map(({ id }) => id),
      [...log.keys()].slice(0, received.length),
    );
  }
  return acknowledged.length;
}

/** The data of all events of a hub by their ids, read page by page. */
export async function readAll(hub: string, channels: readonly string[] = ['>']): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (let after = 'earliest'; ;) {
    const page = `${hub}/v1/events?${query({ channel: channels, after, limit: 1000 })}`;
    const reply = await answered(() => call(page));
    assert.equal(reply.status, 200, reply.text);
    const { events, cursor } = reply.json<{ events: { id: string; data: string }[]; cursor: string }>();
    for (const { id, data } of events) found.set(id, data);
    if (events.length === 0) return found;
    after = cursor;
  }
}
