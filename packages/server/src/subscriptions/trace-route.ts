import { encodeCursor } from '@polycast/protocol';
import type { Position, StoredRecord } from '../core/ports.ts';
import type { Attempt, Subscription } from '../core/subscription/ports.ts';
import { respondJson, timeText, type Desk } from '../transports/desk.ts';
import type { Route } from '../transports/http-transport.ts';
import { singles } from '../transports/single-parameters.ts';
import { forCallers, maySee } from './caller.ts';
import type { SubscriptionParts } from './parts.ts';
import { positionOf } from './record-routes.ts';
import { attemptJson } from './resource.ts';

/** Of one event. */
const SUBSCRIPTIONS_MAX = 1000;

/** `GET /v1/events/{id}/deliveries` (PROTOCOL.md section 14.1): who got an event, when, and after how many tries. */
export function traceRoute(parts: SubscriptionParts): Route {
  return {
    method: 'GET',
    path: '/v1/events/:id/deliveries',
    handle: forCallers(parts, (caller) => trace(parts, caller)),
  };
}

async function trace(parts: SubscriptionParts, { response, parameters, query, principal }: Desk): Promise<void> {
  const { services, desk } = parts;
  singles(query, []);
  const position = positionOf(services.log.state, parameters['id'] ?? '');
  const { records } = await services.feed.read(services.feed.interest(['>']), position - 1, position, 'forward', 1, 1);
  const tried = Map.groupBy(await desk.trace(position), ({ subscription }) => subscription);
  // Those that were tried, though they mean something else by now; and those that mean it.
  const [record] = records;
  const isTold = (subscription: Subscription): boolean => {
    const { id } = subscription.definition;
    const isConcerned = tried.has(id) || (record !== undefined && desk.whereabouts(id, record) !== undefined);
    return isConcerned && maySee(services, principal, subscription);
  };
  const told = desk.list({ after: '', limit: SUBSCRIPTIONS_MAX, means: isTold });
  const deliveries = [];
  for (const subscription of told) {
    const tries = tried.get(subscription.definition.id) ?? [];
    const state = await stateOf(parts, subscription, position, record, tries);
    if (state !== undefined) deliveries.push(deliveryJson(subscription.definition.id, state, tries));
  }
  respondJson(response, 200, { event: encodeCursor(services.log.state.epoch, position), deliveries });
}

type State = 'delivered' | 'trying' | 'waiting' | 'leased' | 'dead-letter' | 'done';

/** `undefined` where the event is from before the subscription, as far as can be told. */
async function stateOf(
  { desk }: SubscriptionParts,
  { definition }: Subscription,
  position: Position,
  record: StoredRecord | undefined,
  tries: readonly Attempt[],
): Promise<State | undefined> {
  const where = record === undefined ? undefined : desk.whereabouts(definition.id, record);
  if (where === 'under_way') return definition.delivery.kind === 'pull' ? 'leased' : 'trying';
  if (where === 'waiting') return tries.length > 0 ? 'trying' : 'waiting';
  const [letter] = await desk.deadLetters(definition.id, { after: position - 1, limit: 1 });
  if (letter?.position === position) return 'dead-letter';
  if (tries.some(({ outcome }) => outcome === 'delivered')) return 'delivered';
  if (tries.length > 0) return 'done';
  return record !== undefined && definition.createdMs <= record.timeMs ? 'done' : undefined;
}

function deliveryJson(subscription: string, state: State, tries: readonly Attempt[]): object {
  const inOrder = tries.toSorted((one, other) => one.number - other.number);
  return {
    subscription,
    state,
    // Of those that are no longer kept, the number of the last one tells.
    tries: Math.max(0, ...inOrder.map(({ attempt }) => attempt)),
    first: timeText(inOrder[0]?.startedMs),
    last: timeText(inOrder.at(-1)?.startedMs),
    attempts: inOrder.map(attemptJson),
  };
}
