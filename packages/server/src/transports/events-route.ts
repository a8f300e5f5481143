import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../core/principal.ts';
import { preferredType } from './accept.ts';
import { authorize, consumerOf, interestOf, resumedFrom, type Consumer } from './consumer.ts';
import { checkStanding } from './permission.ts';
import { isKept, type EventsQueries, type EventsQuery } from './events-query.ts';
import type { KeptConnection } from './keep-alive.ts';
import { answerPoll, respondUnchanged, unchangedTag, type PollWish } from './poll.ts';
import type { Services } from './services.ts';
import { openSse } from './sse.ts';

/** `GET /v1/events` (PROTOCOL.md section 4): the request says which transport answers it. */
export function readEvents(
  services: Services,
  queries: EventsQueries,
  request: IncomingMessage,
  response: ServerResponse,
  connection?: KeptConnection,
): void | Promise<void> {
  const { url = '' } = request;
  const last = connection?.lastQuery;
  const wanted = last !== undefined && last.url === url ? last : queries.read(url);
  // An idle connection costs nothing: its client chooses how long an address is.
  if (connection !== undefined) connection.lastQuery = isKept(wanted) ? wanted : undefined;
  if (wanted.channels.length === 0)
    throw new PolycastError('channel_missing', 'Name at least one ?channel=.', { parameter: 'channel' });
  const streams = wantsStream(request.headers.accept) && request.method === 'GET';
  const principal = authorize(services, request, wanted);
  if (principal instanceof Promise)
    return principal.then((known) => {
      checkStanding(services, known);
      return begin(services, request, response, wanted, known, streams);
    });
  return begin(services, request, response, wanted, principal, streams);
}

function begin(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  query: EventsQuery,
  principal: Principal,
  streams: boolean,
): void | Promise<void> {
  const { headers } = request;
  const ifNoneMatch = headers['if-none-match'];
  // What is asked most, and is answered from memory, comes first.
  const tag =
    ifNoneMatch !== undefined && !streams && isShort(services, request, query)
      ? unchangedTag(services, headers, query, principal, ifNoneMatch)
      : undefined;
  if (tag !== undefined) {
    if (principal.user !== undefined && !query.isAside) {
      const { patterns } = interestOf(services, query, principal);
      services.presence.checkRoom(principal, patterns);
      services.sessions.polled(principal, patterns);
    }
    return respondUnchanged(services, response, principal, tag);
  }
  const wish = streams ? undefined : pollWish(services, request, query);
  const consumer = consumerOf(services, request, query, principal);
  if (consumer instanceof Promise)
    return consumer.then((known) => {
      checkStanding(services, principal);
      answer(services, request, response, known, wish);
    });
  answer(services, request, response, consumer, wish);
}

function answer(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  consumer: Consumer,
  wish: PollWish | undefined,
): void {
  if (response.destroyed) return;
  const { principal, interest, address } = consumer;
  const isSession = wish === undefined || wish.waitSeconds > 0;
  if (isSession) services.admission.admit(principal, address);
  if (isSession || (principal.user !== undefined && !wish.query.isAside))
    services.presence.checkRoom(principal, interest.patterns);
  if (wish === undefined) openSse(services, request, response, consumer);
  else answerPoll(services, request, response, consumer, wish);
}

function isShort({ settings }: Services, request: IncomingMessage, { waitSeconds }: EventsQuery): boolean {
  return request.method === 'HEAD' || !(waitSeconds ?? preferredWait(request, settings.pollWaitMaxSeconds));
}

function pollWish({ settings }: Services, request: IncomingMessage, query: EventsQuery): PollWish {
  const preferred = query.waitSeconds === undefined ? preferredWait(request, settings.pollWaitMaxSeconds) : undefined;
  const waitSeconds = request.method === 'HEAD' ? 0 : (query.waitSeconds ?? preferred ?? 0);
  const isResumed = resumedFrom(request.headers, query) !== undefined;
  return { limit: query.limit, waitSeconds, preferred: preferred !== undefined, isResumed, query };
}

const FORMS = ['application/json', 'text/event-stream'] as const;

/** Which form of the answer the client prefers. @throws PolycastError `not_acceptable` */
function wantsStream(accept: string | undefined): boolean {
  if (accept === undefined || accept === '*/*' || accept === 'application/json') return false;
  if (accept === 'text/event-stream') return true;
  const type = preferredType(accept, FORMS);
  if (type !== undefined) return type === 'text/event-stream';
  throw new PolycastError('not_acceptable', 'application/json and text/event-stream can be had here.');
}

/** `Prefer: wait=S` (RFC 7240 section 4.3), brought down to what is allowed. */
function preferredWait(request: IncomingMessage, maxSeconds: number): number | undefined {
  const prefer = request.headers['prefer'];
  if (prefer === undefined) return undefined;
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})/i.exec(String(prefer))?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds), maxSeconds);
}
