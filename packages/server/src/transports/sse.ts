import { asciiChunk, LAST_CHUNK, sseChunkFraming, sseFraming } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { joinPairs, STREAM } from './cache-headers.ts';
import type { Consumer } from './consumer.ts';
import { detachSocket } from './detach-socket.ts';
import { streamOf } from './http2-exchange.ts';
import { openHttp2Session } from './http2-sse.ts';
import { releaseKept } from './keep-alive.ts';
import { corsOf } from './respond.ts';
import type { Services } from './services.ts';
import type { Dismissal } from './sessions.ts';
import { StreamSession, type Wording } from './stream-session.ts';

/** Server-Sent Events (PROTOCOL.md section 6). All is ASCII. */
const WORDING = {
  transport: 'sse',
  framing: sseFraming,
  heartbeat: (cursor) => `event: polycast.heartbeat\nid: ${cursor}\ndata: {"cursor":"${cursor}"}\n\n`,
  // No empty line: many clients take one for the end of a message, whether or not it had data.
  alive: Buffer.from(':\n'),
  gap: (gap, cursor) => `event: polycast.gap\nid: ${cursor}\ndata: ${JSON.stringify(gap)}\n\n`,
  draining: (reconnectInMs) =>
    `event: polycast.draining\nretry: ${reconnectInMs}\ndata: {"reconnectInMs":${reconnectInMs}}\n\n`,
  expiring: (inMs) => `event: polycast.expiring\ndata: {"inMs":${inMs}}\n\n`,
  dismissal: (code) => Buffer.from(closing(code)),
  farewell: () => undefined,
} satisfies Wording;

/**
 * The same over HTTP/1.1, unless the request says `Connection: close`: each write is a chunk (docs/decisions/0036-event-streams-in-chunks.md).
 * A stream that the hub ends in order has its last chunk; one that breaks off has none, and its client knows.
 */
const CHUNKED: Wording = {
  transport: 'sse',
  framing: sseChunkFraming,
  heartbeat: (cursor) => asciiChunk(WORDING.heartbeat(cursor)),
  alive: Buffer.from(asciiChunk(WORDING.alive.toString('latin1'))),
  gap: (gap, cursor) => asciiChunk(WORDING.gap(gap, cursor)),
  draining: (reconnectInMs) => asciiChunk(WORDING.draining(reconnectInMs)),
  expiring: (inMs) => asciiChunk(WORDING.expiring(inMs)),
  dismissal: (code) => Buffer.from(asciiChunk(closing(code)) + LAST_CHUNK),
  farewell: (why) => (why === 'drain' ? LAST_CHUNK : undefined),
};

/** Begins a stream, which ends with its connection: each batch is one write of bytes that all readers at its place share. */
export function openSse(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  consumer: Consumer,
): void {
  const stream = streamOf(response);
  const headers = joinPairs(corsOf(response), HEADERS);
  if (stream !== undefined) {
    const address = consumer.address ?? request.socket.remoteAddress;
    const session = openHttp2Session(services, WORDING, stream, headers, { ...consumer, address });
    return session.open(opening(services, session, consumer));
  }
  const socket = detachSocket(request, response);
  releaseKept(socket);
  // Who says `Connection: close` reads until then: PHP's streams hold back 8 KiB of what comes in chunks.
  const isChunked = request.httpVersionMinor > 0 && response.shouldKeepAlive;
  const session = new StreamSession(services, isChunked ? CHUNKED : WORDING, socket, consumer);
  const first = opening(services, session, consumer);
  const head = `${HEAD}${headers === HEADERS ? HEADER_TEXT : headerText(headers)}`;
  session.open(isChunked ? `${head}${CHUNKED_END}${asciiChunk(first)}` : `${head}\r\n${first}`);
  // What a client sends from here on means nothing; it is read so that its leaving is noticed.
  socket.resume();
}

/** The first words of a stream. */
function opening(services: Services, session: StreamSession, consumer: Consumer): string {
  const { settings } = services;
  const cursor = session.cursor(consumer.position);
  const ready = JSON.stringify({ cursor, session: session.id, heartbeatMs: settings.heartbeatMs });
  const gap = consumer.gap === undefined ? '' : WORDING.gap(consumer.gap, consumer.gap.to);
  if (consumer.gap !== undefined) services.figures.gaps++;
  return `retry: ${settings.reconnectMs}\nevent: polycast.ready\nid: ${cursor}\ndata: ${ready}\n\n${gap}`;
}

const HEADERS: readonly string[] = [
  'Content-Type',
  // Without the parameter, clients that take it for any other text read ISO 8859-1 (Python requests).
  'text/event-stream; charset=utf-8',
  ...STREAM,
  'X-Accel-Buffering',
  'no',
  'X-Content-Type-Options',
  'nosniff',
  'Cross-Origin-Resource-Policy',
  'same-origin',
];

function headerText(pairs: readonly string[]): string {
  let text = '';
  for (let index = 0; index < pairs.length; index += 2) text += `${pairs[index]}: ${pairs[index + 1]}\r\n`;
  return text;
}

function closing(code: Dismissal): string {
  return `event: polycast.closing\ndata: {"code":"${code}"}\n\n`;
}

const HEAD = 'HTTP/1.1 200 OK\r\nConnection: close\r\n';
const HEADER_TEXT = headerText(HEADERS);
const CHUNKED_END = 'Transfer-Encoding: chunked\r\n\r\n';
