import { asciiChunk, LAST_CHUNK, sseChunkFraming, sseFraming } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { mergeHeaderPairs, STREAM_HEADERS } from '../http/headers/cache-headers.ts';
import type { Consumer } from './consumer.ts';
import { detachSocket } from '../http/sockets/detach-socket.ts';
import { http2StreamOf } from '../http/http2/http2-exchange.ts';
import { openHttp2Sse } from './http2-sse.ts';
import { stopTracking } from '../http/sockets/idle-connections.ts';
import { commonHeadersOf } from '../http/respond.ts';
import type { Services } from '../http/services.ts';
import type { RevokedReason } from '../auth/sessions.ts';
import { StreamSession, type ControlFrames } from './stream-session.ts';

/** Server-Sent Events (PROTOCOL.md section 6). All is ASCII. */
const FRAMES = {
  transport: 'sse',
  framing: sseFraming,
  heartbeat: (cursor) => `event: polycast.heartbeat\nid: ${cursor}\ndata: {"cursor":"${cursor}"}\n\n`,
  // No empty line: many clients take one for the end of a message, whether or not it had data.
  keepAlive: Buffer.from(':\n'),
  gap: (gap, cursor) => `event: polycast.gap\nid: ${cursor}\ndata: ${JSON.stringify(gap)}\n\n`,
  draining: (reconnectInMs) =>
    `event: polycast.draining\nretry: ${reconnectInMs}\ndata: {"reconnectInMs":${reconnectInMs}}\n\n`,
  expiring: (inMs) => `event: polycast.expiring\ndata: {"inMs":${inMs}}\n\n`,
  revoked: (code) => Buffer.from(closingFrame(code)),
  closing: () => undefined,
} satisfies ControlFrames;

/**
 * The same over HTTP/1.1, unless the request says `Connection: close`: each write is a chunk (docs/decisions/0036-event-streams-in-chunks.md).
 * A stream that the hub ends in order has its last chunk; one that breaks off has none, and its client knows.
 */
const CHUNKED_FRAMES: ControlFrames = {
  transport: 'sse',
  framing: sseChunkFraming,
  heartbeat: (cursor) => asciiChunk(FRAMES.heartbeat(cursor)),
  keepAlive: Buffer.from(asciiChunk(FRAMES.keepAlive.toString('latin1'))),
  gap: (gap, cursor) => asciiChunk(FRAMES.gap(gap, cursor)),
  draining: (reconnectInMs) => asciiChunk(FRAMES.draining(reconnectInMs)),
  expiring: (inMs) => asciiChunk(FRAMES.expiring(inMs)),
  revoked: (code) => Buffer.from(asciiChunk(closingFrame(code)) + LAST_CHUNK),
  closing: (why) => (why === 'drain' ? LAST_CHUNK : undefined),
};

/** Begins a stream, which ends with its connection: each batch is one write of bytes that all readers at its place share. */
export function openSse(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  consumer: Consumer,
): void {
  const stream = http2StreamOf(response);
  const headers = mergeHeaderPairs(commonHeadersOf(response), HEADERS);
  if (stream !== undefined) {
    const address = consumer.address ?? request.socket.remoteAddress;
    const session = openHttp2Sse(services, FRAMES, stream, headers, { ...consumer, address });
    return session.open(openingFrames(services, session, consumer));
  }
  const socket = detachSocket(request, response);
  stopTracking(socket);
  // Who says `Connection: close` reads until then: PHP's streams hold back 8 KiB of what comes in chunks.
  const isChunked = request.httpVersionMinor > 0 && response.shouldKeepAlive;
  const session = new StreamSession(services, isChunked ? CHUNKED_FRAMES : FRAMES, socket, consumer);
  const opening = openingFrames(services, session, consumer);
  const head = `${HEAD}${headers === HEADERS ? HEADER_TEXT : headerLines(headers)}`;
  session.open(isChunked ? `${head}${CHUNKED_END}${asciiChunk(opening)}` : `${head}\r\n${opening}`);
  // What a client sends from here on means nothing; it is read so that its leaving is noticed.
  socket.resume();
}

/** The first words of a stream. */
function openingFrames(services: Services, session: StreamSession, consumer: Consumer): string {
  const { settings } = services;
  const cursor = session.cursor(consumer.position);
  const ready = JSON.stringify({ cursor, session: session.id, heartbeatMs: settings.heartbeatMs });
  const gap = consumer.gap === undefined ? '' : FRAMES.gap(consumer.gap, consumer.gap.to);
  if (consumer.gap !== undefined) services.stats.gaps++;
  return `retry: ${settings.reconnectMs}\nevent: polycast.ready\nid: ${cursor}\ndata: ${ready}\n\n${gap}`;
}

const HEADERS: readonly string[] = [
  'Content-Type',
  // Without the parameter, clients that take it for any other text read ISO 8859-1 (Python requests).
  'text/event-stream; charset=utf-8',
  ...STREAM_HEADERS,
  'X-Accel-Buffering',
  'no',
  'X-Content-Type-Options',
  'nosniff',
  'Cross-Origin-Resource-Policy',
  'same-origin',
];

function headerLines(pairs: readonly string[]): string {
  let text = '';
  for (let index = 0; index < pairs.length; index += 2) text += `${pairs[index]}: ${pairs[index + 1]}\r\n`;
  return text;
}

function closingFrame(code: RevokedReason): string {
  return `event: polycast.closing\ndata: {"code":"${code}"}\n\n`;
}

const HEAD = 'HTTP/1.1 200 OK\r\nConnection: close\r\n';
const HEADER_TEXT = headerLines(HEADERS);
const CHUNKED_END = 'Transfer-Encoding: chunked\r\n\r\n';
