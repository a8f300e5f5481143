import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Services } from '../services.ts';
import { commonHeadersOf } from '../respond.ts';

let dateTick = -1;
let date = '';
/** The last head without a body, whole: the same one is often given many times within a tick. */
let lastHead = '';
let lastText = '';
/** The last head of a `201`, and how long its body was. */
let createdBytes = -1;
let createdHead = '';

/**
 * Answers without a body in one write, past Node's own making of heads: for answers so small and so frequent that making their head
 * is most of what they cost. The response is told that it has finished, and so gives its connection back as it always does.
 * @param head the status line and the headers, each with its line break; `Date` and `Connection` are added
 * @returns whether it was answered; otherwise the usual way has to be taken
 */
export function respondEmptyRaw(services: Services, response: ServerResponse, head: string): boolean {
  const socket = rawSocketOf(response);
  if (socket === undefined) return false;
  refreshDate(services);
  if (head !== lastHead) {
    lastHead = head;
    lastText = withDate(head);
  }
  socket.write(lastText, 'latin1');
  response.emit('finish');
  return true;
}

/** The same for `201` with a small JSON text: what most publishes are answered. The request must have been read to its end. */
export function respondCreatedRaw(services: Services, response: ServerResponse, text: string): boolean {
  const socket = rawSocketOf(response);
  if (socket === undefined) return false;
  refreshDate(services);
  const bytes = Buffer.byteLength(text);
  if (bytes !== createdBytes) {
    createdBytes = bytes;
    createdHead = withDate(`${CREATED}${bytes}\r\nX-Content-Type-Options: nosniff\r\n`);
  }
  // One without multi-byte characters needs no encoder.
  socket.write(createdHead + text, bytes === text.length ? 'latin1' : 'utf8');
  response.emit('finish');
  return true;
}

const CREATED = 'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: ';

/** The connection, if it is this answer's own. */
function rawSocketOf(response: ServerResponse): Socket | undefined {
  // Over HTTP/2 the connection is not this answer's own, and takes frames alone.
  if (response.req.httpVersionMajor !== 1) return undefined;
  // Behind others on its connection it has to wait; and what ends its connection or is for a page has more to say.
  if (!response.shouldKeepAlive || commonHeadersOf(response).length > 0) return undefined;
  return response.socket ?? undefined;
}

/** With a new date, no head is what it was. */
function refreshDate({ wheel, clock }: Services): void {
  if (wheel.tick === dateTick) return;
  dateTick = wheel.tick;
  date = new Date(clock.nowMs()).toUTCString();
  lastHead = '';
  createdBytes = -1;
}

function withDate(head: string): string {
  return `${head}Date: ${date}\r\nConnection: keep-alive\r\n\r\n`;
}
