import { sseFraming } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Consumer } from './consumer.ts';
import { detachSocket } from './detach-socket.ts';
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
  const { settings, random } = services;
  const headers = headerText(corsOf(response));
  releaseKept(request.socket);
  const socket = detachSocket(request, response);
  const session = new StreamSession(services, WORDING, socket, consumer.interest, consumer.position);
  session.reader.excuse(consumer.excusedThrough);
  const cursor = session.cursor(consumer.position);
  const ready = JSON.stringify({ cursor, session: random.token(), heartbeatMs: settings.heartbeatMs });
  const gap = consumer.gap === undefined ? '' : WORDING.gap(consumer.gap, consumer.gap.to);
  if (consumer.gap !== undefined) services.figures.gaps++;
  session.open(
    `${HEAD}${headers}\r\nretry: ${settings.reconnectMs}\nevent: polycast.ready\nid: ${cursor}\ndata: ${ready}\n\n${gap}`,
  );
  // What a client sends from here on means nothing; it is read so that its leaving is noticed.
  socket.resume();
}

const HEAD =
  'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\n' +
  'X-Content-Type-Options: nosniff\r\nConnection: close\r\n';

function headerText(pairs: readonly string[]): string {
  let text = '';
  for (let index = 0; index < pairs.length; index += 2) text += `${pairs[index]}: ${pairs[index + 1]}\r\n`;
  return text;
}
