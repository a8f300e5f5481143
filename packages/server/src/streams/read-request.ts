import { parseCursor, PolycastError, type Gap } from '@polycast/protocol';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Interest } from '../core/interests/interest.ts';
import type { Position } from '../core/ports.ts';
import { OWN_CHANNEL_ALIAS, privateChannel } from '../core/access/private-channel.ts';
import { ANONYMOUS, type Principal } from '../core/access/principal.ts';
import { notACursor, reachCursor, resolveStart } from '../core/start.ts';
import { invalidParameter } from '../http/refusals.ts';
import { sessionAddress } from '../auth/connection-quota.ts';
import type { EventsQuery } from './events-query.ts';
import { authorizeHistory, type HistoryParts } from '../auth/history-permission.ts';
import { authorize, identify } from '../auth/permission.ts';

/**
 * A checked request to read events: its interest, its start position and the gap to send first. The
 * transport turns it into a session. Example: a browser that reads `orders.>` from position 90.
 */
export interface ReadRequest {
  readonly interest: Interest;
  readonly position: Position;
  readonly gap: Gap | undefined;
  readonly suppressGapThrough: Position;
  readonly principal: Principal;
  /** The client's address; `undefined` if the session can read it from its socket. */
  readonly address: string | undefined;
  /** The client's own name for itself (`?client=`). It outlives the client's connections. */
  readonly client: string | undefined;
  /** The hub leaves out the events that this client published. */
  readonly excludesSelf: boolean;
}

/**
 * Identifies the caller and checks that it may read the channels of the query. This function and
 * those below await only where they must. So the hub admits many clients that reconnect at once
 * within one turn of the event loop.
 * @throws PolycastError `unauthorized`, `forbidden`
 */
export function authorizeQuery(
  parts: HistoryParts,
  request: IncomingMessage,
  query: EventsQuery,
): Principal | Promise<Principal> {
  const principal = identify(parts.auth, request, query.token);
  if (principal instanceof Promise)
    return principal.then(async (known) => (await authorizeReading(parts, request, known, query), known));
  const allowed = authorizeReading(parts, request, principal, query);
  return allowed === undefined ? principal : allowed.then(() => principal);
}

/** A caller that asks for past events also needs the permission `history`. */
function authorizeReading(
  parts: HistoryParts,
  request: IncomingMessage,
  principal: Principal,
  query: EventsQuery,
): void | Promise<void> {
  const channels = resolveOwnChannel(principal, query.channels);
  const subscribing = authorize(parts.auth, principal, 'subscribe', channels);
  const resumeFrom = resumeCursor(request.headers, query);
  const start = { after: resumeFrom ?? query.after, history: query.history };
  const authorizeStart = (): void | Promise<void> => {
    if (resumeFrom !== undefined) checkResumeCursor(resumeFrom, resumeFrom === query.lastEventId);
    const reached = reachCursor(parts.log, start.after);
    if (reached !== undefined) return reached.then(() => authorizeHistory(parts, principal, channels, start));
    return authorizeHistory(parts, principal, channels, start);
  };
  return subscribing === undefined ? authorizeStart() : subscribing.then(authorizeStart);
}

/**
 * Checks the cursor on its own, so that the error names it: the query may have a valid `after` as
 * well.
 * @throws PolycastError `invalid_cursor`
 */
function checkResumeCursor(text: string, isParameter: boolean): void {
  if (text === 'now' || text === 'earliest' || parseCursor(text) !== undefined) return;
  const where = isParameter ? { parameter: 'lastEventId' } : { header: 'last-event-id' };
  throw new PolycastError('invalid_cursor', notACursor(text, 'It must be a cursor, "earliest" or "now".'), where);
}

/**
 * Replaces `@me` by the private channel of the user.
 * @throws PolycastError `unauthorized`
 */
export function resolveOwnChannel({ user }: Principal, channels: readonly string[]): readonly string[] {
  if (!channels.includes(OWN_CHANNEL_ALIAS)) return channels;
  if (user === undefined)
    throw new PolycastError(
      'unauthorized',
      `${OWN_CHANNEL_ALIAS} is the private channel of a user, and the caller is not a user.`,
    );
  return [...new Set(channels.map((channel) => (channel === OWN_CHANNEL_ALIAS ? privateChannel(user) : channel)))];
}

/**
 * Determines the position from which a request reads.
 * @param receiver the response, or the socket of a WebSocket. It is destroyed when its client no
 * longer waits: on HTTP/2 the connection is shared, and outlives the response.
 * @throws PolycastError `invalid_cursor`, `invalid_parameter`, `overloaded`
 */
export function createReadRequest(
  parts: HistoryParts,
  request: IncomingMessage,
  receiver: { readonly destroyed: boolean },
  query: EventsQuery,
  principal: Principal,
): ReadRequest | Promise<ReadRequest> {
  const { feed, log } = parts;
  const interest = interestOf(parts, query, principal);
  feed.checkCapacity(interest);
  const { client, excludesSelf } = query;
  if (excludesSelf && client === undefined && request.headers.upgrade === undefined)
    throw invalidParameter('exclude', 'needs "client"');
  const address = sessionAddress(parts.auth, request);
  const resumeFrom = resumeCursor(request.headers, query);
  const { position, gap, suppressGapThrough } = resolveStart(resumeFrom ?? query.after, log.state);
  if (query.history === undefined || resumeFrom !== undefined)
    return { interest, position, gap, suppressGapThrough, principal, address, client, excludesSelf };
  return feed
    .historyStart(interest, query.history, () => !receiver.destroyed)
    .then((from) => ({
      interest,
      position: from,
      gap: undefined,
      suppressGapThrough: 0,
      principal,
      address,
      client,
      excludesSelf,
    }));
}

/**
 * The interest of a query. It is found once per address, except for `@me`, which differs for each
 * user.
 */
export function interestOf({ feed }: HistoryParts, query: EventsQuery, principal: Principal): Interest {
  if (query.isPersonal) return feed.interest(resolveOwnChannel(principal, query.channels), query.types);
  if (query.interest === undefined || !query.interest.isIndexed)
    query.interest = feed.interest(query.channels, query.types);
  return query.interest;
}

/**
 * Whether the rules alone allow everybody to read all channels of the query and their history. Then
 * shared caches may store the response. This function does not ask the site. A reload changes
 * rules, so the query does not remember the result; the policy remembers its decisions.
 */
export function isReadableByAnyone({ auth: { authority } }: HistoryParts, query: EventsQuery): boolean {
  return query.channels.every((pattern) =>
    (['subscribe', 'history'] as const).every((action) => {
      const anonymous = authority.defaultPrincipal ?? ANONYMOUS;
      if ((authority.validUntil?.(anonymous, action, pattern) ?? Infinity) !== Infinity) return false;
      const decision = authority.decide(anonymous, action, pattern);
      return !(decision instanceof Promise) && decision.allowed;
    }),
  );
}

/**
 * The cursor from which a client resumes. It takes precedence over `after` and `history`. The
 * header takes precedence over the parameter. A client may put the parameter into its URL once and
 * send a newer header with each later reconnect. EventSource sends an empty header when it has no
 * cursor.
 */
export function resumeCursor(headers: IncomingHttpHeaders, query: EventsQuery): string | undefined {
  const value = headers['last-event-id'];
  return typeof value === 'string' && value !== '' ? value : query.lastEventId;
}
