import { parseCursor, PolycastError, type Gap } from '@polycast/protocol';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Interest } from '../core/interest.ts';
import type { Position } from '../core/ports.ts';
import { OWN_CHANNEL, privateChannel } from '../core/private-channel.ts';
import { ANONYMOUS, type Principal } from '../core/principal.ts';
import { startAfter } from '../core/start.ts';
import { addressOf } from './client-address.ts';
import type { EventsQuery } from './events-query.ts';
import { allowLookingBack } from './looking-back.ts';
import { allow, identify } from './permission.ts';
import type { Services } from './services.ts';

/** A reader-to-be: what it wants, from where, and what it is told first. */
export interface Consumer {
  readonly interest: Interest;
  readonly position: Position;
  readonly gap: Gap | undefined;
  readonly excusedThrough: Position;
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
export function authorize(
  services: Services,
  request: IncomingMessage,
  query: EventsQuery,
): Principal | Promise<Principal> {
  const principal = identify(services, request, query.token);
  if (principal instanceof Promise)
    return principal.then(async (known) => (await allowReading(services, request, known, query), known));
  const allowed = allowReading(services, request, principal, query);
  return allowed === undefined ? principal : allowed.then(() => principal);
}

/** Whoever asks for what was before they came has to be allowed that as well. */
function allowReading(
  services: Services,
  request: IncomingMessage,
  principal: Principal,
  query: EventsQuery,
): void | Promise<void> {
  const channels = channelsFor(principal, query.channels);
  const subscribing = allow(services, principal, 'subscribe', channels);
  const resumed = resumedFrom(request.headers, query);
  const wish = { after: resumed ?? query.after, history: query.history };
  const lookBack = (): void | Promise<void> => {
    if (resumed !== undefined) checkResumed(resumed, resumed === query.lastEventId);
    return allowLookingBack(services, principal, channels, wish);
  };
  return subscribing === undefined ? lookBack() : subscribing.then(lookBack);
}

/** @throws PolycastError `invalid_cursor`, which names what is wrong: there may be a valid `after` as well */
function checkResumed(text: string, isParameter: boolean): void {
  if (text === 'now' || text === 'earliest' || parseCursor(text) !== undefined) return;
  const where = isParameter ? { parameter: 'lastEventId' } : { header: 'last-event-id' };
  throw new PolycastError('invalid_cursor', 'A cursor, "earliest" or "now" is expected.', where);
}

/**
 * What a consumer's channels stand for, once it is known who it is: `@me` is the private channel.
 * @throws PolycastError `unauthorized`
 */
export function channelsFor({ user }: Principal, channels: readonly string[]): readonly string[] {
  if (!channels.includes(OWN_CHANNEL)) return channels;
  if (user === undefined) throw new PolycastError('unauthorized', `${OWN_CHANNEL} is the channel of a user.`);
  return [...new Set(channels.map((channel) => (channel === OWN_CHANNEL ? privateChannel(user) : channel)))];
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
  const interest = interestOf(services, query, principal);
  feed.checkRoom(interest);
  const { client, excludesSelf } = query;
  if (excludesSelf && client === undefined && request.headers.upgrade === undefined)
    throw new PolycastError('invalid_parameter', '"exclude" needs "client".', { parameter: 'exclude' });
  const address = notedAddress(services, request);
  const resumed = resumedFrom(request.headers, query);
  const start = startAfter(resumed ?? query.after, log.state);
  if (query.history === undefined || resumed !== undefined)
    return { interest, ...start, principal, address, client, excludesSelf };
  return feed
    .historyStart(interest, query.history, () => !request.socket.destroyed)
    .then((position) => ({
      interest,
      position,
      gap: undefined,
      excusedThrough: 0,
      principal,
      address,
      client,
      excludesSelf,
    }));
}

/** The client's address, where that of its socket is not its own, is shared with others, or is asked for when the socket is gone. */
export function notedAddress(services: Services, request: IncomingMessage): string | undefined {
  const { proxies, admission } = services;
  const isAsked = proxies.areSome || admission.countsAddresses || request.httpVersionMajor > 1;
  return isAsked ? addressOf(services, request) : undefined;
}

/** The interest of a query, worked out once an address unless it is another one for each user. */
export function interestOf({ feed }: Services, query: EventsQuery, principal: Principal): Interest {
  if (query.isPersonal) return feed.interest(channelsFor(principal, query.channels), query.types);
  if (query.interest === undefined || !query.interest.isIndexed)
    query.interest = feed.interest(query.channels, query.types);
  return query.interest;
}

/**
 * Whether everybody may read all that a query names, and look back on it, by the rules alone: then caches may share it. Nobody
 * outside is asked, and rules do not change while the hub runs.
 */
export function isForAnyone({ authority }: Services, query: EventsQuery): boolean {
  return (query.isForAnyone ??= query.channels.every((pattern) =>
    (['subscribe', 'history'] as const).every((action) => {
      const nobody = authority.nobody ?? ANONYMOUS;
      if ((authority.holdsUntil?.(nobody, action, pattern) ?? Infinity) !== Infinity) return false;
      const decision = authority.decide(nobody, action, pattern);
      return !(decision instanceof Promise) && decision.allowed;
    }),
  ));
}

/**
 * Where a client that reconnects goes on; goes before `after` and `history`. The header goes before the parameter: a client that puts
 * the parameter into its address once sends a newer header with each later reconnect. EventSource sends an empty header when it has none.
 */
export function resumedFrom(headers: IncomingHttpHeaders, query: EventsQuery): string | undefined {
  const value = headers['last-event-id'];
  return typeof value === 'string' && value !== '' ? value : query.lastEventId;
}
