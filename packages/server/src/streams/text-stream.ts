import { asciiChunk, inChunks, LAST_CHUNK, type EventStreamName, type Framing, type Gap } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { mergeHeaderPairs, STREAM_HEADERS } from '../http/headers/cache-headers.ts';
import { commonHeadersOf } from '../http/headers/common-headers.ts';
import { detachSocket } from '../http/sockets/detach-socket.ts';
import { stopTracking } from '../http/sockets/idle-connections.ts';
import type { RevokedReason } from '../auth/sessions.ts';
import type { ReadRequest } from './read-request.ts';
import type { ControlFrames } from './control-frames.ts';
import { http2StreamOf, openHttp2Stream } from './http2-stream.ts';
import type { SessionParts } from './stream-parts.ts';
import { StreamSession } from './stream-session.ts';

/**
 * A transport of `GET /v1/events` whose response lasts. The client chooses it by `Accept`. Example:
 * Server-Sent Events for `text/event-stream`.
 */
export interface EventStream {
  readonly mediaType: string;
  readonly description: StreamDescription;
  /** Starts a stream, which ends with its connection. */
  readonly open: (
    parts: SessionParts,
    request: IncomingMessage,
    response: ServerResponse,
    readRequest: ReadRequest,
  ) => void;
}

/** The texts about a transport in the OpenAPI and AsyncAPI documents and in the reference. */
export interface StreamDescription {
  /** Its name in a list: `JSON lines`. */
  readonly title: string;
  /** The response, as the beginning of a sentence: `A stream of JSON lines`. */
  readonly response: string;
  /** The section of PROTOCOL.md. */
  readonly section: string;
  /** The messages inside the response, in whole sentences. */
  readonly messages: string;
  /** The form of an event, and of the control message `gap`. */
  readonly eventForm: string;
  readonly gapForm: string;
  /** Where a control message has its name: in the member `op`, or in the field `event:`. */
  readonly nameIn: 'op' | 'event';
  /** The beginning of a response. */
  readonly example: string;
}

/**
 * The form of a response that streams text: the bytes of an event, and the control messages. All
 * control messages are ASCII. Example: in Server-Sent Events a gap is the event `polycast.gap`.
 */
export interface TextStreamFormat {
  readonly transport: EventStreamName;
  readonly mediaType: string;
  readonly description: StreamDescription;
  readonly contentType: string;
  readonly framing: Framing;
  readonly ready: (ready: Ready, reconnectMs: number) => string;
  readonly heartbeat: (cursor: string) => string;
  /** A heartbeat without a cursor; `undefined` if each heartbeat has one. */
  readonly keepAlive: string | undefined;
  readonly gap: (gap: Gap, cursor: string) => string;
  readonly draining: (reconnectInMs: number) => string;
  readonly expiring: (inMs: number) => string;
  /** The last message of a stream that has lost its access. */
  readonly closing: (code: RevokedReason) => string;
}

/** The members of the first message. */
export interface Ready {
  readonly cursor: string;
  readonly session: string;
  readonly heartbeatMs: number;
}

/**
 * Makes the transport of a format. Each batch is one write of bytes, shared by all readers at the
 * same position.
 */
export function textStream(format: TextStreamFormat): EventStream {
  const frames = framesOf(format, false);
  const chunks = framesOf(format, true);
  const headers = headersOf(format);
  const headerText = headerLines(headers);
  return {
    mediaType: format.mediaType,
    description: format.description,
    open(parts, request, response, readRequest) {
      const stream = http2StreamOf(response);
      const merged = mergeHeaderPairs(commonHeadersOf(response), headers);
      if (stream !== undefined) {
        const address = readRequest.address ?? request.socket.remoteAddress;
        const session = openHttp2Stream(parts, frames, stream, merged, { ...readRequest, address });
        return session.open(openingOf(format, parts, session, readRequest));
      }
      const socket = detachSocket(request, response);
      stopTracking(socket);
      // A client that sends `Connection: close` reads until the connection ends.
      // PHP's streams delay up to 8 KiB of a chunked response.
      const isChunked = request.httpVersionMinor > 0 && response.shouldKeepAlive;
      const session = new StreamSession(parts, isChunked ? chunks : frames, socket, readRequest);
      const opening = openingOf(format, parts, session, readRequest);
      const head = `${HEAD}${merged === headers ? headerText : headerLines(merged)}`;
      session.open(isChunked ? `${head}${CHUNKED_END}${asciiChunk(opening)}` : `${head}\r\n${opening}`);
      // The hub ignores all further input of the client. It reads it to notice a disconnect.
      socket.resume();
    },
  };
}

/**
 * The frames of a format. In chunks, over HTTP/1.1, each write is a chunk
 * (docs/decisions/0036-event-streams-in-chunks.md). A stream that the hub ends in order has a last
 * chunk. A broken stream has none, so its client knows that it broke. Over HTTP/2, over HTTP/1.0
 * and for a request with `Connection: close` there are no chunks.
 */
function framesOf(format: TextStreamFormat, isChunked: boolean): ControlFrames {
  const { transport, framing, keepAlive, heartbeat, gap, draining, expiring, closing } = format;
  const frame = isChunked ? asciiChunk : (text: string): string => text;
  const end = isChunked ? LAST_CHUNK : '';
  return {
    transport,
    ignoresInput: true,
    framing: isChunked ? inChunks(framing) : framing,
    heartbeat: (cursor) => frame(heartbeat(cursor)),
    keepAlive: keepAlive === undefined ? undefined : Buffer.from(frame(keepAlive)),
    gap: (content, cursor) => frame(gap(content, cursor)),
    draining: (reconnectInMs) => frame(draining(reconnectInMs)),
    expiring: (inMs) => frame(expiring(inMs)),
    revoked: (code) => Buffer.from(frame(closing(code)) + end),
    closing: (why) => (isChunked && why === 'drain' ? LAST_CHUNK : undefined),
  };
}

/** The first messages of a stream. */
function openingOf(
  format: TextStreamFormat,
  { settings, stats }: SessionParts,
  session: StreamSession,
  { position, gap }: ReadRequest,
): string {
  const cursor = session.cursor(position);
  const { heartbeatMs, reconnectMs } = settings;
  const ready = format.ready({ cursor, session: session.id, heartbeatMs }, reconnectMs);
  if (gap === undefined) return ready;
  stats.gaps++;
  return ready + format.gap(gap, gap.to);
}

function headersOf({ contentType }: TextStreamFormat): readonly string[] {
  return [
    'Content-Type',
    contentType,
    ...STREAM_HEADERS,
    'X-Accel-Buffering',
    'no',
    'X-Content-Type-Options',
    'nosniff',
    'Cross-Origin-Resource-Policy',
    'same-origin',
  ];
}

function headerLines(pairs: readonly string[]): string {
  let text = '';
  for (let index = 0; index < pairs.length; index += 2) text += `${pairs[index]}: ${pairs[index + 1]}\r\n`;
  return text;
}

const HEAD = 'HTTP/1.1 200 OK\r\nConnection: close\r\n';
const CHUNKED_END = 'Transfer-Encoding: chunked\r\n\r\n';
