import * as z from 'zod';
import { encodeCursor } from '@polycast/protocol';
import type { StoredRecord } from '../../core/ports.ts';
import type { Principal } from '../../core/access/principal.ts';
import type { Attempt, EventPosition, Subscription } from '../state/ports.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import type { Route } from '../../auth/route.ts';
import { json, response } from '../../http/route-description.ts';
import { count, cursor, named, text, time } from '../../http/openapi/schemas.ts';
import { readQuery } from '../../http/query-parameter.ts';
import { attempt, eventId, SUBSCRIPTION_ID } from './schemas.ts';
import { timestampOrNull } from '../../http/timestamp-text.ts';
import { scopedRoute, mayKnow, maySee } from './subscription-access.ts';
import { deadLetterAt, parseEventId, recordAt } from './event-positions.ts';
import type { SubscriptionParts } from './parts.ts';
import { attemptsBegun, attemptTotals } from '../state/attempt-count.ts';
import { attemptJson } from './bodies/subscription-json.ts';

/** Most subscriptions in the answer about one event. */
const SUBSCRIPTIONS_MAX = 1000;

/**
 * `GET /v1/events/{id}/deliveries` (PROTOCOL.md section 14.1): the subscriptions that received an
 * event, with times and attempts.
 */
export function traceRoute(parts: SubscriptionParts): Route {
  return scopedRoute(
    'GET',
    '/v1/events/:id/deliveries',
    (request) => trace(parts, request),
    () => ({
      operationId: 'traceEvent',
      summary: 'Reads which subscriptions received an event, when, and after how many attempts.',
      section: '14.1',
      details:
        'It covers at most 1,000 subscriptions that the caller may read. `attempts` contains stored attempts only.',
      parameters: [eventId('id')],
      responses: [response(200, 'The deliveries.', json(traceSchema(), 'By subscription.'))],
      errors: ['invalid_parameter', 'invalid_cursor'],
    }),
  );
}

async function trace(parts: SubscriptionParts, request: AuthorizedRequest): Promise<void> {
  const { parameters, query, principal } = request;
  const { auth, subscriptions } = parts;
  readQuery(query, []);
  const event = parseEventId(parts, parameters['id'] ?? '');
  // Without the record, the answer uses only the stored attempts and dead letters.
  const record = await recordAt(parts, event, '>');
  const tried = Map.groupBy(await subscriptions.trace(event), ({ subscription }) => subscription);
  // Subscriptions with an attempt, even if they no longer match the event, and subscriptions that
  // match it.
  const isIncluded = (subscription: Subscription): boolean => {
    const { id } = subscription.definition;
    const isConcerned =
      tried.has(id) || (record !== undefined && subscriptions.deliveryStatus(id, record) !== undefined);
    return isConcerned && maySee(auth, principal, subscription);
  };
  const concerned = subscriptions.list({ after: '', limit: SUBSCRIPTIONS_MAX, predicate: isIncluded });
  const deliveries = [];
  for (const subscription of concerned) {
    const attempts = tried.get(subscription.definition.id) ?? [];
    const status = await eventStatusOf(parts, subscription, event, record, attempts);
    if (status !== undefined) deliveries.push(deliveryJson(parts, principal, subscription, status, attempts));
  }
  request.respondJson(200, { event: encodeCursor(event.epoch, event.position), deliveries });
}

const EVENT_STATES = ['delivered', 'trying', 'waiting', 'leased', 'dead-letter', 'done'] as const;
type EventState = (typeof EVENT_STATES)[number];

const traceSchema = named('Trace', () =>
  z.object({
    event: cursor(),
    deliveries: z.array(
      z.object({
        subscription: text({ examples: [SUBSCRIPTION_ID] }),
        state: z.enum(EVENT_STATES),
        tries: count()
          .nullable()
          .describe('`null` if it is not stored: for an acknowledged pull, and for a webhook without stored attempts.'),
        first: time().nullable(),
        last: time().nullable(),
        due: time().nullable().describe('The end of the lease, or the time of the next attempt.'),
        attempts: z.array(attempt()),
      }),
    ),
  }),
);

/** The delivery status of an event, without its attempts. */
interface EventStatus {
  readonly state: EventState;
  /** Number of attempts begun, as far as it is known without their records. */
  readonly tries?: number;
  readonly isInFlight?: boolean;
  readonly leasedMs?: number | undefined;
  readonly dueMs?: number | undefined;
}

/** `undefined` if the event is older than the subscription, as far as that is known. */
async function eventStatusOf(
  parts: SubscriptionParts,
  { definition }: Subscription,
  event: EventPosition,
  record: StoredRecord | undefined,
  attempts: readonly Attempt[],
): Promise<EventStatus | undefined> {
  const pending = record === undefined ? undefined : parts.subscriptions.deliveryStatus(definition.id, record);
  if (pending !== undefined && pending.state !== 'done') {
    const isTried = pending.tries > 0 || attempts.length > 0;
    if (pending.state === 'waiting') return { ...pending, state: isTried ? 'trying' : 'waiting' };
    return { ...pending, state: definition.delivery.kind === 'pull' ? 'leased' : 'trying', isInFlight: true };
  }
  const deadLetter = await deadLetterAt(parts, definition.id, event);
  if (deadLetter !== undefined) return { state: 'dead-letter', tries: deadLetter.attempts };
  if (attempts.some(({ outcome }) => outcome === 'delivered')) return { state: 'delivered' };
  if (attempts.length > 0) return { state: 'done' };
  return record !== undefined && definition.createdMs <= record.timeMs ? { state: 'done' } : undefined;
}

function deliveryJson(
  parts: SubscriptionParts,
  principal: Principal,
  { definition }: Subscription,
  status: EventStatus,
  attempts: readonly Attempt[],
): object {
  const { state, leasedMs, dueMs } = status;
  const inOrder = attempts.toSorted((one, other) => one.number - other.number);
  const tries = triesOf(status, inOrder);
  const firstMs = inOrder[0]?.startedMs ?? (tries === 1 ? leasedMs : undefined);
  return {
    subscription: definition.id,
    state,
    tries: tries ?? null,
    first: timestampOrNull(firstMs),
    last: timestampOrNull(inOrder.at(-1)?.startedMs ?? leasedMs),
    due: timestampOrNull(dueMs),
    attempts: inOrder.map((each) =>
      attemptJson(parts, each, mayKnow(parts.auth, principal, definition, each.startedMs)),
    ),
  };
}

/**
 * The number of attempts, as far as it is known.
 * @param attempts the stored attempts, the oldest first
 */
function triesOf({ state, tries, isInFlight }: EventStatus, attempts: readonly Attempt[]): number | undefined {
  const stored = attemptTotals(attempts).at(-1);
  if (stored === undefined || tries === undefined) return stored ?? tries;
  if (state === 'dead-letter') return Math.max(stored, tries);
  return attemptsBegun(tries, isInFlight === true, attempts);
}
