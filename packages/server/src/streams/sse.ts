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

/** The frames of Server-Sent Events (PROTOCOL.md section 6). All of them are ASCII. */
const FRAMES = {
  transport: 'sse',
  ignoresInput: true,
  framing: sseFraming,
  heartbeat: (cursor) => `event: polycast.heartbeat\nid: ${cursor}\ndata: {"cursor":"${cursor}"}\n\n`,
  // No empty line follows: many clients treat it as the end of a message, even without data.
  keepAlive: Buffer.from(':\n'),
  gap: (gap, cursor) => `event: polycast.gap\nid: ${cursor}\ndata: ${JSON.stringify(gap)}\n\n`,
  draining: (reconnectInMs) =>
    `event: polycast.draining\nretry: ${reconnectInMs}\ndata: {"reconnectInMs":${reconnectInMs}}\n\n`,
  expiring: (inMs) => `event: polycast.expiring\ndata: {"inMs":${inMs}}\n\n`,
  revoked: (code) => Buffer.from(closingFrame(code)),
  closing: () => undefined,
} satisfies ControlFrames;

/**
 * The same frames over HTTP/1.1, unless the request says `Connection: close`: each write is a chunk
 * (docs/decisions/0036-event-streams-in-chunks.md). A stream that the hub ends in order has a last
 * chunk. A broken stream has none, so its client knows that it broke.
 */
const CHUNKED_FRAMES: ControlFrames = {
  transport: 'sse',
  ignoresInput: true,
  framing: sseChunkFraming,
  heartbeat: (cursor) => asciiChunk(FRAMES.heartbeat(cursor)),
  keepAlive: Buffer.from(asciiChunk(FRAMES.keepAlive.toString('latin1'))),
  gap: (gap, cursor) => asciiChunk(FRAMES.gap(gap, cursor)),
  draining: (reconnectInMs) => asciiChunk(FRAMES.draining(reconnectInMs)),
  expiring: (inMs) => asciiChunk(FRAMES.expiring(inMs)),
  revoked: (code) => Buffer.from(asciiChunk(closingFrame(code)) + LAST_CHUNK),
  closing: (why) => (why === 'drain' ? LAST_CHUNK : undefined),
};

/**
 * Starts a stream, which ends with its connection. Each batch is one write of bytes, shared by all
 * readers at the same position.
 */
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
  // A client that sends `Connection: close` reads until the connection ends. PHP's streams delay up
  // to 8 KiB of a chunked response.
  const isChunked = request.httpVersionMinor > 0 && response.shouldKeepAlive;
  const session = new StreamSession(services, isChunked ? CHUNKED_FRAMES : FRAMES, socket, consumer);
  const opening = openingFrames(services, session, consumer);
  const head = `${HEAD}${headers === HEADERS ? HEADER_TEXT : headerLines(headers)}`;
  session.open(isChunked ? `${head}${CHUNKED_END}${asciiChunk(opening)}` : `${head}\r\n${opening}`);
  // The hub ignores all further input of the client. It reads it to notice a disconnect.
  socket.resume();
}

/** The first messages of a stream. */
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
  // Without the parameter some clients decode text as ISO 8859-1 (Python requests).
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
