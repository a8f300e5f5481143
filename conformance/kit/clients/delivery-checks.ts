import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ReceivedDelivery } from './endpoint.ts';
import { answered, call, type Reply } from '../http.ts';
import type { Publisher } from './publishers.ts';
import type { Delivery, Worker } from './workers.ts';

/** No worker accepts every tenth event. */
export function isPoison(payload: string): boolean {
  return payload.endsWith('7');
}

export function post(url: string, body: unknown): Promise<Reply> {
  return call(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
}

/** Creates a subscription, and returns its id. */
export async function subscribe(hub: string, definition: object): Promise<string> {
  const reply = await post(`${hub}/v1/subscriptions`, definition);
  assert.equal(reply.status, 201, reply.text);
  return reply.json<{ id: string }>().id;
}

/** Events that publishers have published: payloads, by event id. */
export function publishedBy(publishers: readonly Publisher[]): ReadonlyMap<string, string> {
  return new Map(publishers.flatMap(({ acknowledged }) => acknowledged.map(({ id, payload }) => [id, payload])));
}

/** The ids of a subscription's dead letters, from all pages. */
export async function deadLetters(hub: string, subscription: string): Promise<readonly string[]> {
  const events: string[] = [];
  for (let after = ''; ;) {
    const target = `${hub}/v1/subscriptions/${subscription}/dead-letters?limit=100${after}`;
    const reply = await answered(() => call(target));
    const { deadLetters: page, next } = reply.json<{ deadLetters: { event: string }[]; next: string | null }>();
    events.push(...page.map(({ event }) => event));
    if (next === null) return events;
    after = `&after=${next}`;
  }
}

/** Events that an endpoint has accepted, of one subscription. */
export function doneIn(received: readonly ReceivedDelivery[], path: string): ReadonlySet<string> {
  return new Set(received.flatMap((one) => (one.isDone && one.path === path ? [one.id] : [])));
}

/** Events that workers have acknowledged, or may have: an answer was lost. */
export function doneBy(workers: readonly Worker[]): ReadonlySet<string> {
  return new Set(
    workers.flatMap(({ deliveries }) =>
      deliveries.flatMap(({ id, isDone, isUncertain }) => (isDone || isUncertain ? [id] : [])),
    ),
  );
}

/** Deliveries with the id of a published event and other content. */
export function mismatched<Seen extends { readonly id: string; readonly payload: string }>(
  delivered: readonly Seen[],
  published: ReadonlyMap<string, string>,
): readonly Seen[] {
  return delivered.filter(({ id, payload }) => published.has(id) && published.get(id) !== payload);
}

/** A replay that the hub has accepted. */
export interface Replay {
  readonly id: string;
  readonly through: string;
  /** The time of the request, in milliseconds of this process's clock. */
  readonly atMs: number;
}

/** Events of a replay that the endpoint has not accepted since the replay was requested. */
export function notReplayed(
  { through, atMs }: Replay,
  published: ReadonlyMap<string, string>,
  received: readonly ReceivedDelivery[],
  path: string,
): readonly string[] {
  const since = received.filter((one) => one.atMs >= atMs);
  const again = doneIn(since, path);
  return [...published.keys()].filter((event) => event <= through && !again.has(event));
}

/** Events that were sent before an earlier event of their channel was ever accepted. */
export function sentEarly(received: readonly ReceivedDelivery[]): string[] {
  const before = predecessors(received);
  const found: string[] = [];
  const done = new Set<string>();
  for (const { id, isDone } of received) {
    const predecessor = before.get(id);
    if (predecessor !== undefined && !done.has(predecessor)) found.push(`${id} before ${predecessor}`);
    if (isDone) done.add(id);
  }
  return found;
}

/**
 * Events that were leased before the previous event of their channel was done. No worker had begun
 * to acknowledge that one, nor had its last worker in that life of the hub.
 */
export function leasedEarly(deliveries: readonly Delivery[]): string[] {
  const before = predecessors(deliveries);
  const inTime = deliveries.toSorted((one, other) => one.gotMs - other.gotMs);
  const byEvent = Map.groupBy(inTime, ({ id }) => id);
  const found: string[] = [];
  for (const { id, gotMs, life } of inTime) {
    const predecessor = before.get(id);
    if (predecessor === undefined) continue;
    const earlier = (byEvent.get(predecessor) ?? []).filter((one) => one.gotMs < gotMs);
    const last = earlier.findLast((one) => one.life === life);
    const isDone = (one: Delivery): boolean => one.settledMs <= gotMs && !one.isNotHeld;
    if (!earlier.some(isDone) || (last !== undefined && !isDone(last))) found.push(`${id} before ${predecessor}`);
  }
  return found;
}

/** For each event, the previous one of its channel, among those that were delivered. */
function predecessors(seen: readonly { readonly id: string; readonly channel: string }[]): ReadonlyMap<string, string> {
  const before = new Map<string, string>();
  for (const events of Map.groupBy(seen, ({ channel }) => channel).values()) {
    const ids = [...new Set(events.map(({ id }) => id))].toSorted();
    for (const [index, id] of ids.entries()) if (index > 0) before.set(id, ids[index - 1] as string);
  }
  return before;
}

/**
 * Removes the record of crashes, so that the next hub on this folder counts one crash at most.
 * Otherwise it would hold back webhooks in flight for seconds (PROTOCOL.md section 14.4;
 * `crash-loop` tests that), longer than these hubs live.
 */
export function forgetInFlight(data: string): void {
  rmSync(join(data, 'webhooks-in-flight'), { force: true });
}
