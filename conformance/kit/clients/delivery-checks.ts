import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { ReceivedDelivery } from './endpoint.ts';
import { call, type Reply } from '../http.ts';
import type { Publisher } from './publishers.ts';
import type { Delivery, Worker } from './workers.ts';

/** No worker accepts every tenth event. */
export function isPoison(payload: string): boolean {
  return payload.endsWith('7');
}

export function post(url: string, body: unknown): Promise<Reply> {
  return call(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
}

/** Makes a subscription, and gives its id. */
export async function subscribe(hub: string, definition: object): Promise<string> {
  const reply = await post(`${hub}/v1/subscriptions`, definition);
  expect(reply.status, reply.text).toBe(201);
  return reply.json<{ id: string }>().id;
}

/** What publishers know to be published: payloads, by the ids of their events. */
export function publishedBy(publishers: readonly Publisher[]): ReadonlyMap<string, string> {
  return new Map(publishers.flatMap(({ acknowledged }) => acknowledged.map(({ id, payload }) => [id, payload])));
}

/** Ids of the events that a subscription has given up on, all pages of them. */
export async function deadLetters(hub: string, subscription: string): Promise<readonly string[]> {
  const events: string[] = [];
  for (let after = ''; ;) {
    const reply = await call(`${hub}/v1/subscriptions/${subscription}/dead-letters?limit=100${after}`);
    const { deadLetters: page, next } = reply.json<{ deadLetters: { event: string }[]; next: string | null }>();
    events.push(...page.map(({ event }) => event));
    if (next === null) return events;
    after = `&after=${next}`;
  }
}

/** Events that an endpoint has taken, of one subscription. */
export function doneIn(received: readonly ReceivedDelivery[], path: string): ReadonlySet<string> {
  return new Set(received.flatMap((one) => (one.isDone && one.path === path ? [one.id] : [])));
}

/** Events that workers know to be done. */
export function doneBy(workers: readonly Worker[]): ReadonlySet<string> {
  return new Set(workers.flatMap(({ deliveries }) => deliveries.flatMap(({ id, isDone }) => (isDone ? [id] : []))));
}

/** What came under the id of a published event, and is another one. */
export function mismatched<Seen extends { readonly id: string; readonly payload: string }>(
  delivered: readonly Seen[],
  published: ReadonlyMap<string, string>,
): readonly Seen[] {
  return delivered.filter(({ id, payload }) => published.has(id) && published.get(id) !== payload);
}

/** A replay that the hub has taken on. */
export interface Replay {
  readonly id: string;
  readonly through: string;
  /** When it was asked for; milliseconds of this process's clock. */
  readonly atMs: number;
}

/** Events of a replay that an endpoint has not taken since the replay was asked for. */
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

/** Events that were sent while one before them in their channel had never been taken. */
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
 * Events that were leased while the one before them in their channel was not done: nobody had begun
 * to acknowledge it, or whoever had it last in that life of the hub had not.
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

/** Of each event the one before it in its channel, as far as they were ever seen. */
function predecessors(seen: readonly { readonly id: string; readonly channel: string }[]): ReadonlyMap<string, string> {
  const before = new Map<string, string>();
  for (const events of Map.groupBy(seen, ({ channel }) => channel).values()) {
    const ids = [...new Set(events.map(({ id }) => id))].toSorted();
    for (const [index, id] of ids.entries()) if (index > 0) before.set(id, ids[index - 1] as string);
  }
  return before;
}

/**
 * The next hub on this folder takes the end of the one before for its first. Else it holds back for
 * seconds whatever was being sent at two ends in a row (PROTOCOL.md section 14.4; `crash-loop`
 * shows that), and lives of less than that would see no webhook at all.
 */
export function forgetInFlight(data: string): void {
  rmSync(join(data, 'webhooks-in-flight'), { force: true });
}
