import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../core/access/principal.ts';
import { preferredType } from '../http/accept.ts';
import { sessionAddress } from '../auth/connection-quota.ts';
import { authorizeQuery, createReadRequest, interestOf, resumeCursor, type ReadRequest } from './read-request.ts';
import { checkCredentials } from '../auth/permission.ts';
import { isCacheable, isEventsQuery, type EventsQueryParser, type EventsQuery } from './events-query.ts';
import type { IdleTracker } from '../http/sockets/idle-connections.ts';
import { answerPoll, respondUnchanged, unchangedTag, type PollOptions } from './poll.ts';
import type { ReadParts } from './stream-parts.ts';
import { EVENT_STREAMS } from './event-streams.ts';
import type { EventStream } from './text-stream.ts';

/** `GET /v1/events` (PROTOCOL.md section 4): the request decides which transport answers it. */
export function readEvents(
  parts: ReadParts,
  queries: EventsQueryParser,
  request: IncomingMessage,
  response: ServerResponse,
  connection?: IdleTracker,
): void | Promise<void> {
  const { url = '' } = request;
  const lastQuery = connection?.lastQuery;
  const query = lastQuery?.url === url && isEventsQuery(lastQuery) ? lastQuery : queries.parse(url);
  // Remembers short addresses only: the client chooses the length, and an idle connection must not
  // hold much memory.
  if (connection !== undefined) connection.lastQuery = isCacheable(query) ? query : undefined;
  if (query.channels.length === 0)
    throw new PolycastError('channel_missing', 'Add at least one ?channel=.', { parameter: 'channel' });
  const preferred = preferredStream(request.headers.accept);
  const stream = request.method === 'GET' ? preferred : undefined;
  const principal = authorizeQuery(parts, request, query);
  if (principal instanceof Promise)
    return principal.then((known) => {
      checkCredentials(parts.auth, known);
      return answerQuery(parts, request, response, query, known, stream);
    });
  return answerQuery(parts, request, response, query, principal, stream);
}

function answerQuery(
  parts: ReadParts,
  request: IncomingMessage,
  response: ServerResponse,
  query: EventsQuery,
  principal: Principal,
  stream: EventStream | undefined,
): void | Promise<void> {
  const { headers } = request;
  const ifNoneMatch = headers['if-none-match'];
  // Short polls without news are the most frequent requests. They are answered first, from memory.
  const etag =
    ifNoneMatch !== undefined && stream === undefined && isShortPoll(parts, request, query)
      ? unchangedTag(parts, headers, query, principal, ifNoneMatch)
      : undefined;
  if (etag !== undefined) {
    if (principal.user !== undefined) onUnchangedPoll(parts, request, query, principal);
    return respondUnchanged(parts, response, principal, etag);
  }
  const answer = stream ?? pollOptions(parts, request, query);
  const readRequest = createReadRequest(parts, request, response, query, principal);
  if (readRequest instanceof Promise)
    return readRequest.then((created) => {
      checkCredentials(parts.auth, principal);
      openTransport(parts, request, response, created, answer);
    });
  openTransport(parts, request, response, readRequest, answer);
}

/** A known user polled and has all events already. */
function onUnchangedPoll(parts: ReadParts, request: IncomingMessage, query: EventsQuery, principal: Principal): void {
  const { feed, presence, sessions } = parts;
  const interest = interestOf(parts, query, principal);
  if (!query.isPresenceExempt) {
    presence.checkCapacity(principal, interest.patterns);
    sessions.polled(principal, interest.patterns);
  }
  if (!sessions.recordsPolls) return;
  const { client, excludesSelf: excludesOwn } = query;
  const address = sessionAddress(parts.auth, request) ?? request.socket.remoteAddress ?? '';
  // The entity tag names the position that the client has.
  const from = query.lastTagCursor?.position ?? feed.head;
  const poll = { transport: 'short-poll', principal, interest, address, client, excludesOwn } as const;
  sessions.answered({ ...poll, from, reached: feed.head, gapThrough: 0 });
}

function openTransport(
  parts: ReadParts,
  request: IncomingMessage,
  response: ServerResponse,
  readRequest: ReadRequest,
  answer: EventStream | PollOptions,
): void {
  if (response.destroyed) return;
  const { principal, interest, address } = readRequest;
  const isStream = 'open' in answer;
  const isSession = isStream || answer.waitSeconds > 0;
  if (isSession) parts.auth.connectionQuota.admit(principal, address);
  if (isSession || (principal.user !== undefined && !answer.query.isPresenceExempt))
    parts.presence.checkCapacity(principal, interest.patterns);
  if (isStream) answer.open(parts, request, response, readRequest);
  else answerPoll(parts, request, response, readRequest, answer);
}

function isShortPoll({ settings }: ReadParts, request: IncomingMessage, { waitSeconds }: EventsQuery): boolean {
  return request.method === 'HEAD' || !(waitSeconds ?? preferredWait(request, settings.pollWaitMaxSeconds));
}

function pollOptions({ settings }: ReadParts, request: IncomingMessage, query: EventsQuery): PollOptions {
  const preferred = query.waitSeconds === undefined ? preferredWait(request, settings.pollWaitMaxSeconds) : undefined;
  const waitSeconds = request.method === 'HEAD' ? 0 : (query.waitSeconds ?? preferred ?? 0);
  const isResumed = resumeCursor(request.headers, query) !== undefined;
  return { limit: query.limit, waitSeconds, isPreferred: preferred !== undefined, isResumed, query };
}

const STREAMS: readonly EventStream[] = Object.values(EVENT_STREAMS);
const MEDIA_TYPES = ['application/json', ...STREAMS.map(({ mediaType }) => mediaType)];

/**
 * The stream that the client prefers to JSON, if it does.
 * @throws PolycastError `not_acceptable`
 */
function preferredStream(accept: string | undefined): EventStream | undefined {
  if (accept === undefined || accept === '*/*' || accept === 'application/json') return undefined;
  const type = MEDIA_TYPES.includes(accept) ? accept : preferredType(accept, MEDIA_TYPES);
  if (type !== undefined) return STREAMS.find(({ mediaType }) => mediaType === type);
  throw new PolycastError(
    'not_acceptable',
    `The hub can send ${MEDIA_TYPES.slice(0, -1).join(', ')}, or ${MEDIA_TYPES.at(-1)}.`,
  );
}

/** The wait of `Prefer: wait=S` (RFC 7240 section 4.3), reduced to the maximum. */
function preferredWait(request: IncomingMessage, maxSeconds: number): number | undefined {
  const prefer = request.headers['prefer'];
  if (prefer === undefined) return undefined;
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})/i.exec(String(prefer))?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds), maxSeconds);
}
