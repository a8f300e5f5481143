import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../core/access/principal.ts';
import { preferredType } from '../http/accept.ts';
import { authorizeQuery, createConsumer, interestOf, resumeCursor, type Consumer } from './consumer.ts';
import { checkCredentials } from '../auth/permission.ts';
import { isCacheable, type EventsQueryParser, type EventsQuery } from './events-query.ts';
import type { IdleTracker } from '../http/sockets/idle-connections.ts';
import { answerPoll, respondUnchanged, unchangedTag, type PollOptions } from './poll.ts';
import type { Services } from '../http/services.ts';
import { openSse } from './sse.ts';

/** `GET /v1/events` (PROTOCOL.md section 4): the request decides which transport answers it. */
export function readEvents(
  services: Services,
  queries: EventsQueryParser,
  request: IncomingMessage,
  response: ServerResponse,
  connection?: IdleTracker,
): void | Promise<void> {
  const { url = '' } = request;
  const lastQuery = connection?.lastQuery;
  const query = lastQuery !== undefined && lastQuery.url === url ? lastQuery : queries.parse(url);
  // Remembers short addresses only: the client chooses the length, and an idle connection must not
  // hold much memory.
  if (connection !== undefined) connection.lastQuery = isCacheable(query) ? query : undefined;
  if (query.channels.length === 0)
    throw new PolycastError('channel_missing', 'Add at least one ?channel=.', { parameter: 'channel' });
  const isStream = wantsStream(request.headers.accept) && request.method === 'GET';
  const principal = authorizeQuery(services, request, query);
  if (principal instanceof Promise)
    return principal.then((known) => {
      checkCredentials(services, known);
      return answerQuery(services, request, response, query, known, isStream);
    });
  return answerQuery(services, request, response, query, principal, isStream);
}

function answerQuery(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  query: EventsQuery,
  principal: Principal,
  isStream: boolean,
): void | Promise<void> {
  const { headers } = request;
  const ifNoneMatch = headers['if-none-match'];
  // Short polls without news are the most frequent requests. They are answered first, from memory.
  const etag =
    ifNoneMatch !== undefined && !isStream && isShortPoll(services, request, query)
      ? unchangedTag(services, headers, query, principal, ifNoneMatch)
      : undefined;
  if (etag !== undefined) {
    if (principal.user !== undefined && !query.isPresenceExempt) {
      const { patterns } = interestOf(services, query, principal);
      services.presence.checkCapacity(principal, patterns);
      services.sessions.polled(principal, patterns);
    }
    return respondUnchanged(services, response, principal, etag);
  }
  const poll = isStream ? undefined : pollOptions(services, request, query);
  const consumer = createConsumer(services, request, query, principal);
  if (consumer instanceof Promise)
    return consumer.then((created) => {
      checkCredentials(services, principal);
      openTransport(services, request, response, created, poll);
    });
  openTransport(services, request, response, consumer, poll);
}

function openTransport(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  consumer: Consumer,
  pollOptions: PollOptions | undefined,
): void {
  if (response.destroyed) return;
  const { principal, interest, address } = consumer;
  const isSession = pollOptions === undefined || pollOptions.waitSeconds > 0;
  if (isSession) services.connectionQuota.admit(principal, address);
  if (isSession || (principal.user !== undefined && !pollOptions.query.isPresenceExempt))
    services.presence.checkCapacity(principal, interest.patterns);
  if (pollOptions === undefined) openSse(services, request, response, consumer);
  else answerPoll(services, request, response, consumer, pollOptions);
}

function isShortPoll({ settings }: Services, request: IncomingMessage, { waitSeconds }: EventsQuery): boolean {
  return request.method === 'HEAD' || !(waitSeconds ?? preferredWait(request, settings.pollWaitMaxSeconds));
}

function pollOptions({ settings }: Services, request: IncomingMessage, query: EventsQuery): PollOptions {
  const preferred = query.waitSeconds === undefined ? preferredWait(request, settings.pollWaitMaxSeconds) : undefined;
  const waitSeconds = request.method === 'HEAD' ? 0 : (query.waitSeconds ?? preferred ?? 0);
  const isResumed = resumeCursor(request.headers, query) !== undefined;
  return { limit: query.limit, waitSeconds, isPreferred: preferred !== undefined, isResumed, query };
}

const MEDIA_TYPES = ['application/json', 'text/event-stream'] as const;

/** Whether the client prefers an event stream to JSON. @throws PolycastError `not_acceptable` */
function wantsStream(accept: string | undefined): boolean {
  if (accept === undefined || accept === '*/*' || accept === 'application/json') return false;
  if (accept === 'text/event-stream') return true;
  const type = preferredType(accept, MEDIA_TYPES);
  if (type !== undefined) return type === 'text/event-stream';
  throw new PolycastError('not_acceptable', 'The hub can send application/json or text/event-stream.');
}

/** The wait of `Prefer: wait=S` (RFC 7240 section 4.3), reduced to the maximum. */
function preferredWait(request: IncomingMessage, maxSeconds: number): number | undefined {
  const prefer = request.headers['prefer'];
  if (prefer === undefined) return undefined;
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})/i.exec(String(prefer))?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds), maxSeconds);
}
