import { encodeCursor, parseCursor, PolycastError } from '@polycast/protocol';
import type { LogState, Position } from '../core/ports.ts';
import type { Attempt } from '../core/subscription/ports.ts';
import { respondJson, timeText, type Desk } from '../transports/desk.ts';
import { invalid, number } from '../transports/events-query.ts';
import type { Route } from '../transports/http-transport.ts';
import { singles } from '../transports/single-parameters.ts';
import { forCallers, forOwners, maySee } from './caller.ts';
import type { SubscriptionParts } from './parts.ts';
import { attemptJson } from './resource.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 100;

/** What has been tried, and what became of it (PROTOCOL.md section 14.1). */
export function recordRoutes(parts: SubscriptionParts): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/subscriptions/:id/attempts',
      handle: forOwners(parts, (caller, { definition }) => attempts(parts, caller, definition.id)),
    },
    {
      method: 'GET',
      path: '/v1/events/:id/deliveries',
      handle: forCallers(parts, (caller) => deliveries(parts, caller)),
    },
  ];
}

/** The position of an event of this log. @throws PolycastError `invalid_cursor` */
export function positionOf({ epoch, head }: LogState, text: string): Position {
  const cursor = parseCursor(text);
  if (cursor !== undefined && cursor.epoch === epoch && cursor.position <= head) return cursor.position;
  throw new PolycastError('invalid_cursor', 'The id of an event of this log is expected.');
}

async function attempts(parts: SubscriptionParts, { response, query }: Desk, id: string): Promise<void> {
  const values = singles(query, ['limit', 'before', 'event']);
  const limit = number(values, 'limit', 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
  const event = values.get('event');
  const found = await parts.desk.attempts(id, {
    before: before(values.get('before')),
    limit: limit + 1,
    ...(event !== undefined && { position: positionOf(parts.services.log.state, event) }),
  });
  const page = found.slice(0, limit);
  respondJson(response, 200, {
    attempts: page.map((attempt) => attemptJson(parts, attempt)),
    next: found.length > limit ? (page.at(-1)?.number ?? null) : null,
  });
}

function before(text: string | undefined): number {
  if (text === undefined) return Number.MAX_SAFE_INTEGER;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalid('before', 'must be the `next` of a page');
}

/** Who got an event, when, and after how many tries: of those subscriptions that the caller may see. */
async function deliveries(parts: SubscriptionParts, { response, parameters, query, principal }: Desk): Promise<void> {
  const { services, desk } = parts;
  singles(query, []);
  const position = positionOf(services.log.state, parameters['id'] ?? '');
  const seen = new Map<string, boolean>();
  const isSeen = ({ subscription: id }: Attempt): boolean => {
    const known = seen.get(id);
    if (known !== undefined) return known;
    const subscription = desk.get(id);
    const visible = subscription !== undefined && maySee(services, principal, subscription);
    seen.set(id, visible);
    return visible;
  };
  const traced = Map.groupBy((await desk.trace(position)).filter(isSeen), ({ subscription }) => subscription);
  respondJson(response, 200, {
    event: encodeCursor(services.log.state.epoch, position),
    deliveries: [...traced].map(([subscription, tries]) => deliveryJson(parts, subscription, tries)),
  });
}

function deliveryJson(parts: SubscriptionParts, subscription: string, tries: readonly Attempt[]): object {
  const inOrder = tries.toSorted((one, other) => one.number - other.number);
  return {
    subscription,
    delivered: inOrder.some(({ outcome }) => outcome === 'delivered'),
    // Of those that are no longer kept, the number of the last one tells.
    tries: Math.max(...inOrder.map(({ attempt }) => attempt)),
    first: timeText(inOrder[0]?.startedMs),
    last: timeText(inOrder.at(-1)?.startedMs),
    attempts: inOrder.map((attempt) => attemptJson(parts, attempt)),
  };
}
