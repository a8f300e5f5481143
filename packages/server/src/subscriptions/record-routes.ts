import { parseCursor, PolycastError } from '@polycast/protocol';
import type { LogState } from '../core/ports.ts';
import type { EventPlace } from '../core/subscription/ports.ts';
import { respondJson, type Desk } from '../transports/desk.ts';
import { invalid, number } from '../transports/events-query.ts';
import type { Route } from '../transports/http-transport.ts';
import { singles } from '../transports/single-parameters.ts';
import { forOwners } from './caller.ts';
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
  ];
}

/**
 * What the id of an event says. That may be of a log that is no more: what became of its events is still kept.
 * @throws PolycastError `invalid_cursor`
 */
export function placeOf({ epoch, head }: LogState, text: string): EventPlace {
  const cursor = parseCursor(text);
  if (cursor !== undefined && (cursor.epoch !== epoch || cursor.position <= head)) return cursor;
  throw new PolycastError('invalid_cursor', 'The id of an event is expected.');
}

async function attempts(parts: SubscriptionParts, { response, query }: Desk, id: string): Promise<void> {
  const values = singles(query, ['limit', 'before', 'event']);
  const limit = number(values, 'limit', 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
  const event = values.get('event');
  const found = await parts.desk.attempts(id, {
    before: before(values.get('before')),
    limit: limit + 1,
    ...(event !== undefined && { event: placeOf(parts.services.log.state, event) }),
  });
  const page = found.slice(0, limit);
  respondJson(response, 200, {
    attempts: page.map(attemptJson),
    next: found.length > limit ? (page.at(-1)?.number ?? null) : null,
  });
}

function before(text: string | undefined): number {
  if (text === undefined) return Number.MAX_SAFE_INTEGER;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalid('before', 'must be the `next` of a page');
}
