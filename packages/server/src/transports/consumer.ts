import { PolycastError, type Gap } from '@polycast/protocol';
import type { IncomingMessage } from 'node:http';
import type { Interest } from '../core/interest.ts';
import type { Action, Position, Principal } from '../core/ports.ts';
import { startAfter } from '../core/start.ts';
import type { EventsQuery } from './events-query.ts';
import type { Services } from './services.ts';

/** A reader-to-be: what it wants, from where, and what it is told first. */
export interface Consumer {
  readonly interest: Interest;
  readonly position: Position;
  readonly gap: Gap | undefined;
  readonly principal: Principal;
}

/**
 * Works out where a request begins to read. Nothing is awaited unless it must be: a crowd that comes back at once is
 * let in within one turn.
 * @throws PolycastError `unauthorized`, `forbidden`, `invalid_cursor`
 */
export function consumerOf(services: Services, request: IncomingMessage, query: EventsQuery): Consumer | Promise<Consumer> {
  const principal = identify(services, request, query.token);
  if (principal instanceof Promise) return principal.then((known) => authorized(services, request, query, known));
  return authorized(services, request, query, principal);
}

export function identify(services: Services, request: IncomingMessage, token: string | undefined): Principal | Promise<Principal> {
  return services.authority.identify({
    token: token ?? bearer(request.headers.authorization),
    origin: request.headers.origin,
    address: request.socket.remoteAddress ?? '',
  });
}

/** Asks for each pattern; throws the first refusal. */
export function allow(services: Services, principal: Principal, action: Action, patterns: readonly string[]): void | Promise<void> {
  let waiting: Promise<void>[] | undefined;
  for (const pattern of patterns) {
    const decision = services.authority.decide(principal, action, pattern);
    if (decision instanceof Promise) (waiting ??= []).push(decision.then(refuse));
    else refuse(decision);
  }
  return waiting === undefined ? undefined : Promise.all(waiting).then(() => undefined);
}

function refuse(decision: Awaited<ReturnType<Services['authority']['decide']>>): void {
  if (!decision.allowed) throw new PolycastError(decision.code, decision.detail);
}

function authorized(services: Services, request: IncomingMessage, query: EventsQuery, principal: Principal): Consumer | Promise<Consumer> {
  const allowed = allow(services, principal, 'subscribe', query.channels);
  if (allowed === undefined) return begin(services, request, query, principal);
  return allowed.then(() => begin(services, request, query, principal));
}

function begin(services: Services, request: IncomingMessage, query: EventsQuery, principal: Principal): Consumer | Promise<Consumer> {
  const { feed, log } = services;
  if (query.interest === undefined || query.interest.isRetired) query.interest = feed.interest(query.channels, query.types);
  const { interest } = query;
  const resumed = lastEventId(request);
  const start = startAfter(resumed ?? query.after, log.state);
  if (query.history === undefined || resumed !== undefined) return { interest, ...start, principal };
  return feed.historyStart(interest, query.history).then((position) => ({ interest, position, gap: undefined, principal }));
}

/** EventSource sends an empty one when it has none. */
function lastEventId(request: IncomingMessage): string | undefined {
  const value = request.headers['last-event-id'];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function bearer(authorization: string | undefined): string | undefined {
  return authorization !== undefined && /^bearer /i.test(authorization) ? authorization.slice(7).trim() : undefined;
}
