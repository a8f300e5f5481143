import { sseFraming } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Consumer } from './consumer.ts';
import { detachSocket } from './detach-socket.ts';
import { streamOf } from './http2-exchange.ts';
import { openHttp2Session } from './http2-sse.ts';
import { releaseKept } from './keep-alive.ts';
import { corsOf } from './respond.ts';
import type { Services } from './services.ts';
import { StreamSession, type Wording } from './stream-session.ts';

/** Server-Sent Events (PROTOCOL.md section 6). */
const WORDING: Wording = {
  transport: 'sse',
  framing: sseFraming,
  heartbeat: (cursor) => `:\nid: ${cursor}\n\n`,
  gap: (gap, cursor) => `event: polycast.gap\nid: ${cursor}\ndata: ${JSON.stringify(gap)}\n\n`,
  draining: (reconnectInMs) =>
    `event: polycast.draining\nretry: ${reconnectInMs}\ndata: {"reconnectInMs":${reconnectInMs}}\n\n`,
  expiring: (inMs) => `event: polycast.expiring\ndata: {"inMs":${inMs}}\n\n`,
  dismissal: (code) => Buffer.from(`event: polycast.closing\ndata: {"code":"${code}"}\n\n`),
  farewell: () => undefined,
};

/**
 * Begins a stream. The answer has no length and ends with its connection, so that each event is one write of shared bytes,
 * without the envelope of a chunk.
 */
export function openSse(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  consumer: Consumer,
): void {
  const stream = streamOf(response);
  const headers = corsOf(response);
  if (stream !== undefined) {
    const address = consumer.address ?? request.socket.remoteAddress;
    const session = openHttp2Session(services, WORDING, stream, [...HEADERS, ...headers], { ...consumer, address });
    return session.open(opening(services, session, consumer));
  }
  const socket = detachSocket(request, response);
  releaseKept(socket);
  const session = new StreamSession(services, WORDING, socket, consumer);
  session.open(`${HEAD}${headerText(headers)}\r\n${opening(services, session, consumer)}`);
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
  'text/event-stream',
  'Cache-Control',
  'no-store, no-transform',
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

const HEAD = `HTTP/1.1 200 OK\r\n${headerText(HEADERS)}Connection: close\r\n`;
