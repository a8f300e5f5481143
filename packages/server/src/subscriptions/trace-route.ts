import { encodeCursor } from '@polycast/protocol';
import type { StoredRecord } from '../core/ports.ts';
import type { Principal } from '../core/principal.ts';
import type { Attempt, EventPlace, Subscription } from '../core/subscription/ports.ts';
import type { AuthorizedRequest } from '../transports/authorized-request.ts';
import type { Route } from '../transports/route.ts';
import { singles } from '../transports/single-parameters.ts';
import { timeText } from '../transports/time-text.ts';
import { callersRoute, mayKnow, maySee } from './caller.ts';
import { letterAt, placeOf, recordAt } from './event-places.ts';
import type { SubscriptionParts } from './parts.ts';
import { attemptJson } from './resource.ts';

/** Of one event. */
const SUBSCRIPTIONS_MAX = 1000;

/** `GET /v1/events/{id}/deliveries` (PROTOCOL.md section 14.1): who got an event, when, and after how many tries. */
export function traceRoute(parts: SubscriptionParts): Route {
  return callersRoute('GET', '/v1/events/:id/deliveries', (caller) => trace(parts, caller));
}

async function trace(parts: SubscriptionParts, caller: AuthorizedRequest): Promise<void> {
  const { parameters, query, principal } = caller;
  const { services, desk } = parts;
  singles(query, []);
  const event = placeOf(parts, parameters['id'] ?? '');
  // Without it there is only what was kept of it.
  const record = await recordAt(parts, event, '>');
  const tried = Map.groupBy(await desk.trace(event), ({ subscription }) => subscription);
  // Those that were tried, though they mean something else by now; and those that mean it.
  const isTold = (subscription: Subscription): boolean => {
    const { id } = subscription.definition;
    const isConcerned = tried.has(id) || (record !== undefined && desk.whereabouts(id, record) !== undefined);
    return isConcerned && maySee(services, principal, subscription);
  };
  const concerned = desk.list({ after: '', limit: SUBSCRIPTIONS_MAX, means: isTold });
  const deliveries = [];
  for (const subscription of concerned) {
    const attempts = tried.get(subscription.definition.id) ?? [];
    const told = await toldOf(parts, subscription, event, record, attempts);
    if (told !== undefined) deliveries.push(deliveryJson(parts, principal, subscription, told, attempts));
  }
  caller.respondJson(200, { event: encodeCursor(event.epoch, event.position), deliveries });
}

type State = 'delivered' | 'trying' | 'waiting' | 'leased' | 'dead-letter' | 'done';

/** What there is to say of an event, but for its attempts. */
interface Told {
  readonly state: State;
  /** That were begun, as far as they are known without attempts. */
  readonly tries?: number;
  readonly leasedMs?: number | undefined;
  readonly dueMs?: number | undefined;
}

/** `undefined` where the event is from before the subscription, as far as can be told. */
async function toldOf(
  parts: SubscriptionParts,
  { definition }: Subscription,
  event: EventPlace,
  record: StoredRecord | undefined,
  attempts: readonly Attempt[],
): Promise<Told | undefined> {
  const where = record === undefined ? undefined : parts.desk.whereabouts(definition.id, record);
  if (where !== undefined && where.state !== 'done') {
    const isTried = where.tries > 0 || attempts.length > 0;
    if (where.state === 'waiting') return { ...where, state: isTried ? 'trying' : 'waiting' };
    return { ...where, state: definition.delivery.kind === 'pull' ? 'leased' : 'trying' };
  }
  const letter = await letterAt(parts, definition.id, event);
  if (letter !== undefined) return { state: 'dead-letter', tries: letter.attempts };
  if (attempts.some(({ outcome }) => outcome === 'delivered')) return { state: 'delivered' };
  if (attempts.length > 0) return { state: 'done' };
  return record !== undefined && definition.createdMs <= record.timeMs ? { state: 'done' } : undefined;
}

function deliveryJson(
  { services }: SubscriptionParts,
  principal: Principal,
  { definition }: Subscription,
  told: Told,
  attempts: readonly Attempt[],
): object {
  const { state, leasedMs, dueMs } = told;
  const inOrder = attempts.toSorted((one, other) => one.number - other.number);
  // Of those that are no longer kept, the number of the last one tells; where none is, nobody knows how many there were.
  const tries = Math.max(told.tries ?? -1, ...inOrder.map(({ attempt }) => attempt));
  const firstMs = inOrder[0]?.startedMs ?? (tries === 1 ? leasedMs : undefined);
  return {
    subscription: definition.id,
    state,
    tries: tries < 0 ? null : tries,
    first: timeText(firstMs),
    last: timeText(inOrder.at(-1)?.startedMs ?? leasedMs),
    due: timeText(dueMs),
    attempts: inOrder.map((each) => attemptJson(each, mayKnow(services, principal, definition, each.startedMs))),
  };
}
