import type { Taken } from './endpoint.ts';
import { call, type Reply } from './http.ts';
import type { Delivery } from './workers.ts';

/** Every tenth event is one that nobody takes. */
export function isPoison(payload: string): boolean {
  return payload.endsWith('7');
}

export function post(url: string, body: unknown): Promise<Reply> {
  return call(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
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
export function doneIn(taken: readonly Taken[], path: string): ReadonlySet<string> {
  return new Set(taken.flatMap((one) => (one.isDone && one.path === path ? [one.id] : [])));
}

/** Events that were sent while one before them in their channel had never been taken. */
export function sentEarly(taken: readonly Taken[]): string[] {
  const before = predecessors(taken);
  const found: string[] = [];
  const done = new Set<string>();
  for (const { id, isDone } of taken) {
    const predecessor = before.get(id);
    if (predecessor !== undefined && !done.has(predecessor)) found.push(`${id} before ${predecessor}`);
    if (isDone) done.add(id);
  }
  return found;
}

/**
 * Events that were leased while the one before them in their channel was not done: nobody had begun to acknowledge it, or whoever had it
 * last in that life of the hub had not.
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
