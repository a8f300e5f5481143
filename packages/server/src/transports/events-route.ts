import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { consumerOf, type Consumer } from './consumer.ts';
import type { EventsQueries, EventsQuery } from './events-query.ts';
import { answerPoll } from './poll.ts';
import type { Services } from './services.ts';
import { openSse } from './sse.ts';

/** `GET /v1/events` (PROTOCOL.md section 4): the request says which transport answers it. */
export function readEvents(services: Services, queries: EventsQueries, request: IncomingMessage, response: ServerResponse, query: string): void | Promise<void> {
  const wanted = queries.read(query);
  if (wanted.channels.length === 0) throw new PolycastError('channel_missing', 'Name at least one ?channel=.', { parameter: 'channel' });
  const streams = wantsStream(request.headers.accept);
  const consumer = consumerOf(services, request, wanted);
  if (consumer instanceof Promise) return consumer.then((known) => begin(services, request, response, wanted, known, streams));
  begin(services, request, response, wanted, consumer, streams);
}

function begin(services: Services, request: IncomingMessage, response: ServerResponse, query: EventsQuery, consumer: Consumer, streams: boolean): void {
  if (response.destroyed) return;
  if (streams && request.method === 'GET') return openSse(services, request, response, consumer);
  const preferred = query.waitSeconds === undefined ? preferredWait(request, services.settings.pollWaitMaxSeconds) : undefined;
  const waitSeconds = request.method === 'HEAD' ? 0 : (query.waitSeconds ?? preferred ?? 0);
  answerPoll(services, request, response, consumer, { limit: query.limit, waitSeconds, preferred: preferred !== undefined });
}

/** The first of the media types we can produce. @throws PolycastError `not_acceptable` */
function wantsStream(accept: string | undefined): boolean {
  if (accept === undefined || accept === '*/*' || accept === 'application/json') return false;
  if (accept === 'text/event-stream') return true;
  for (const part of accept.toLowerCase().split(',')) {
    const essence = part.split(';')[0]?.trim();
    if (essence === 'text/event-stream') return true;
    if (essence === 'application/json' || essence === '*/*' || essence === 'application/*') return false;
  }
  throw new PolycastError('not_acceptable', 'application/json and text/event-stream can be had here.');
}

/** `Prefer: wait=S` (RFC 7240 section 4.3), brought down to what is allowed. */
function preferredWait(request: IncomingMessage, maxSeconds: number): number | undefined {
  const prefer = request.headers['prefer'];
  if (prefer === undefined) return undefined;
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})/i.exec(String(prefer))?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds), maxSeconds);
}
