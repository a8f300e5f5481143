import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../core/ports.ts';
import type { TimingWheel } from '../../core/primitives/timing-wheel.ts';
import { commonHeadersOf } from '../headers/common-headers.ts';

/** The clock, and the wheel whose ticks bound the age of a date. */
export interface ClockParts {
  readonly clock: Clock;
  readonly wheel: TimingWheel;
}

let dateTick = -1;
let date = '';
/** The last complete head without a body: it often repeats within a tick. */
let lastHead = '';
let lastText = '';
/** The last head of a `201`, and the length of its body. */
let createdBytes = -1;
let createdHead = '';

/**
 * Writes a response without a body in one write, without Node's code for heads. It is for responses
 * so small and frequent that the head is most of their cost. The response emits `finish`, so Node
 * releases the connection as usual.
 * @param head the status line and the headers, each with its line break; `Date` and `Connection`
 * are added
 * @returns whether it was sent; otherwise the caller has to use the usual functions
 */
export function respondEmptyRaw(parts: ClockParts, response: ServerResponse, head: string): boolean {
  const socket = rawSocketOf(response);
  if (socket === undefined) return false;
  refreshDate(parts);
  if (head !== lastHead) {
    lastHead = head;
    lastText = withDate(head);
  }
  socket.write(lastText, 'latin1');
  response.emit('finish');
  return true;
}

/**
 * Writes a `201` with a small JSON text, the response to most publishes. The request must have been
 * read to its end.
 */
export function respondCreatedRaw(parts: ClockParts, response: ServerResponse, text: string): boolean {
  const socket = rawSocketOf(response);
  if (socket === undefined) return false;
  refreshDate(parts);
  const bytes = Buffer.byteLength(text);
  if (bytes !== createdBytes) {
    createdBytes = bytes;
    createdHead = withDate(`${CREATED}${bytes}\r\nX-Content-Type-Options: nosniff\r\n`);
  }
  // A text without multi-byte characters needs no encoder.
  socket.write(createdHead + text, bytes === text.length ? 'latin1' : 'utf8');
  response.emit('finish');
  return true;
}

const CREATED = 'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: ';

/** The connection, if it belongs to this response alone. */
function rawSocketOf(response: ServerResponse): Socket | undefined {
  // An HTTP/2 connection is shared and takes only frames.
  if (response.req.httpVersionMajor !== 1) return undefined;
  // A pipelined response has to wait. A response that closes the connection, or is for a page,
  // needs more headers.
  if (!response.shouldKeepAlive || commonHeadersOf(response).length > 0) return undefined;
  return response.socket ?? undefined;
}

/** A new date makes the remembered heads invalid. */
function refreshDate({ wheel, clock }: ClockParts): void {
  if (wheel.tick === dateTick) return;
  dateTick = wheel.tick;
  date = new Date(clock.nowMs()).toUTCString();
  lastHead = '';
  createdBytes = -1;
}

function withDate(head: string): string {
  return `${head}Date: ${date}\r\nConnection: keep-alive\r\n\r\n`;
}
