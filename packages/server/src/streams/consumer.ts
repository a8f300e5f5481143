import { parseCursor, PolycastError, type Gap } from '@polycast/protocol';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Interest } from '../core/interests/interest.ts';
import type { Position } from '../core/ports.ts';
import { OWN_CHANNEL_ALIAS, privateChannel } from '../core/access/private-channel.ts';
import { ANONYMOUS, type Principal } from '../core/access/principal.ts';
import { resolveStart } from '../core/start.ts';
import { clientAddress } from '../http/client-address.ts';
import type { EventsQuery } from './events-query.ts';
import { authorizeHistory } from '../auth/history-permission.ts';
import { authorize, identify } from '../auth/permission.ts';
import type { Services } from '../http/services.ts';

/** A reader-to-be: what it wants, from where, and what it is told first. */
export interface Consumer {
  readonly interest: Interest;
  readonly position: Position;
  readonly gap: Gap | undefined;
  readonly suppressGapThrough: Position;
  readonly principal: Principal;
  /** The client's address, if it is not that of its socket. */
  readonly address: string | undefined;
  /** Its own name for itself, which outlives its connections. */
  readonly client: string | undefined;
  /** What it has published itself is left out. */
  readonly excludesSelf: boolean;
}

/**
 * Who asks, and whether they may read what the query names. Nothing here or below is awaited unless it must be: a crowd
 * that comes back at once is let in within one turn.
 * @throws PolycastError `unauthorized`, `forbidden`
 */
export function authorizeQuery(
  services: Services,
  request: IncomingMessage,
  query: EventsQuery,
): Principal | Promise<Principal> {
  const principal = identify(services, request, query.token);
  if (principal instanceof Promise)
    return principal.then(async (known) => (await authorizeReading(services, request, known, query), known));
  const allowed = authorizeReading(services, request, principal, query);
  return allowed === undefined ? principal : allowed.then(() => principal);
}

/** Whoever asks for what was before they came has to be allowed that as well. */
function authorizeReading(
  services: Services,
  request: IncomingMessage,
  principal: Principal,
  query: EventsQuery,
): void | Promise<void> {
  const channels = resolveOwnChannel(principal, query.channels);
  const subscribing = authorize(services, principal, 'subscribe', channels);
  const resumeFrom = resumeCursor(request.headers, query);
  const start = { after: resumeFrom ?? query.after, history: query.history };
  const authorizeStart = (): void | Promise<void> => {
    if (resumeFrom !== undefined) checkResumeCursor(resumeFrom, resumeFrom === query.lastEventId);
    return authorizeHistory(services, principal, channels, start);
  };
  return subscribing === undefined ? authorizeStart() : subscribing.then(authorizeStart);
}

/** @throws PolycastError `invalid_cursor`, which names what is wrong: there may be a valid `after` as well */
function checkResumeCursor(text: string, isParameter: boolean): void {
  if (text === 'now' || text === 'earliest' || parseCursor(text) !== undefined) return;
  const where = isParameter ? { parameter: 'lastEventId' } : { header: 'last-event-id' };
  throw new PolycastError('invalid_cursor', 'A cursor, "earliest" or "now" is expected.', where);
}

/**
 * What a consumer's channels stand for, once it is known who it is: `@me` is the private channel.
 * @throws PolycastError `unauthorized`
 */
export function resolveOwnChannel({ user }: Principal, channels: readonly string[]): readonly string[] {
  if (!channels.includes(OWN_CHANNEL_ALIAS)) return channels;
  if (user === undefined) throw new PolycastError('unauthorized', `${OWN_CHANNEL_ALIAS} is the channel of a user.`);
  return [...new Set(channels.map((channel) => (channel === OWN_CHANNEL_ALIAS ? privateChannel(user) : channel)))];
}

/**
 * Works out where a request begins to read.
 * @throws PolycastError `invalid_cursor`
 */
export function createConsumer(
  services: Services,
  request: IncomingMessage,
  query: EventsQuery,
  principal: Principal,
): Consumer | Promise<Consumer> {
  const { feed, log } = services;
  const interest = interestOf(services, query, principal);
  feed.checkCapacity(interest);
  const { client, excludesSelf } = query;
  if (excludesSelf && client === undefined && request.headers.upgrade === undefined)
    throw new PolycastError('invalid_parameter', '"exclude" needs "client".', { parameter: 'exclude' });
  const address = sessionAddress(services, request);
  const resumeFrom = resumeCursor(request.headers, query);
  const start = resolveStart(resumeFrom ?? query.after, log.state);
  if (query.history === undefined || resumeFrom !== undefined)
    return { interest, ...start, principal, address, client, excludesSelf };
  return feed
    .historyStart(interest, query.history, () => !request.socket.destroyed)
    .then((position) => ({
      interest,
      position,
      gap: undefined,
      suppressGapThrough: 0,
      principal,
      address,
      client,
      excludesSelf,
    }));
}

/** The client's address, where that of its socket is not its own, is shared with others, or is asked for when the socket is gone. */
export function sessionAddress(services: Services, request: IncomingMessage): string | undefined {
  const { trustedProxies, connectionQuota } = services;
  const isNeeded = trustedProxies.isConfigured || connectionQuota.countsAddresses || request.httpVersionMajor > 1;
  return isNeeded ? clientAddress(services, request) : undefined;
}

/** The interest of a query, worked out once an address unless it is another one for each user. */
export function interestOf({ feed }: Services, query: EventsQuery, principal: Principal): Interest {
  if (query.isPersonal) return feed.interest(resolveOwnChannel(principal, query.channels), query.types);
  if (query.interest === undefined || !query.interest.isIndexed)
    query.interest = feed.interest(query.channels, query.types);
  return query.interest;
}

/**
 * Whether everybody may read all that a query names, and look back on it, by the rules alone: then caches may share it. Nobody
 * outside is asked, and rules do not change while the hub runs.
 */
export function isReadableByAnyone({ authority }: Services, query: EventsQuery): boolean {
  return (query.isReadableByAnyone ??= query.channels.every((pattern) =>
    (['subscribe', 'history'] as const).every((action) => {
      const anonymous = authority.defaultPrincipal ?? ANONYMOUS;
      if ((authority.validUntil?.(anonymous, action, pattern) ?? Infinity) !== Infinity) return false;
      const decision = authority.decide(anonymous, action, pattern);
      return !(decision instanceof Promise) && decision.allowed;
    }),
  ));
}

/**
 * Where a client that reconnects goes on; goes before `after` and `history`. The header goes before the parameter: a client that puts
 * the parameter into its address once sends a newer header with each later reconnect. EventSource sends an empty header when it has none.
 */
export function resumeCursor(headers: IncomingHttpHeaders, query: EventsQuery): string | undefined {
  const value = headers['last-event-id'];
  return typeof value === 'string' && value !== '' ? value : query.lastEventId;
}
