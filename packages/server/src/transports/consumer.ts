import { PolycastError, type Gap } from '@polycast/protocol';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Interest } from '../core/interest.ts';
import type { Action, Credentials, Position, Principal } from '../core/ports.ts';
import { startAfter } from '../core/start.ts';
import type { EventsQuery } from './events-query.ts';
import type { Services } from './services.ts';

/** A reader-to-be: what it wants, from where, and what it is told first. */
export interface Consumer {
  readonly interest: Interest;
  readonly position: Position;
  readonly gap: Gap | undefined;
  readonly excusedThrough: Position;
  readonly principal: Principal;
}

/**
 * Who asks, and whether they may read what the query names. Nothing here or below is awaited unless it must be: a crowd
 * that comes back at once is let in within one turn.
 * @throws PolycastError `unauthorized`, `forbidden`
 */
export function authorize(
  services: Services,
  request: IncomingMessage,
  query: EventsQuery,
): Principal | Promise<Principal> {
  const principal = identify(services, request, query.token);
  if (principal instanceof Promise)
    return principal.then(async (known) => (await allow(services, known, 'subscribe', query.channels), known));
  const allowed = allow(services, principal, 'subscribe', query.channels);
  return allowed === undefined ? principal : allowed.then(() => principal);
}

/**
 * Works out where a request begins to read.
 * @throws PolycastError `invalid_cursor`
 */
export function consumerOf(
  services: Services,
  request: IncomingMessage,
  query: EventsQuery,
  principal: Principal,
): Consumer | Promise<Consumer> {
  const { feed, log } = services;
  const interest = interestOf(services, query);
  const resumed = lastEventId(request.headers);
  const start = startAfter(resumed ?? query.after, log.state);
  if (query.history === undefined || resumed !== undefined) return { interest, ...start, principal };
  return feed
    .historyStart(interest, query.history)
    .then((position) => ({ interest, position, gap: undefined, excusedThrough: 0, principal }));
}

/** The interest of a query, worked out once an address. */
export function interestOf({ feed }: Services, query: EventsQuery): Interest {
  if (query.interest === undefined || query.interest.isRetired)
    query.interest = feed.interest(query.channels, query.types);
  return query.interest;
}

export function identify(
  services: Services,
  request: IncomingMessage,
  token: string | undefined,
): Principal | Promise<Principal> {
  return services.authority.identify(new RequestCredentials(request, token));
}

/** Looked up only as far as the authority looks. */
class RequestCredentials implements Credentials {
  readonly #request: IncomingMessage;
  readonly #token: string | undefined;

  constructor(request: IncomingMessage, token: string | undefined) {
    this.#request = request;
    this.#token = token;
  }

  get token(): string | undefined {
    return this.#token ?? bearer(this.#request.headers.authorization);
  }

  get origin(): string | undefined {
    return this.#request.headers.origin;
  }

  get address(): string {
    return this.#request.socket.remoteAddress ?? '';
  }
}

/** Asks for each pattern; throws the first refusal. */
export function allow(
  services: Services,
  principal: Principal,
  action: Action,
  patterns: readonly string[],
): void | Promise<void> {
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

/** EventSource sends an empty one when it has none. */
export function lastEventId(headers: IncomingHttpHeaders): string | undefined {
  const value = headers['last-event-id'];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function bearer(authorization: string | undefined): string | undefined {
  return authorization !== undefined && /^bearer /i.test(authorization) ? authorization.slice(7).trim() : undefined;
}
