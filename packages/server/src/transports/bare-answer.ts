import type { ServerResponse } from 'node:http';
import type { Services } from './services.ts';
import { corsOf } from './respond.ts';

let dateTick = -1;
let date = '';
/** The last answer, whole: the same one is often given many times within a tick. */
let lastHead = '';
let lastText = '';

/**
 * Answers without a body in one write, past Node's own making of heads: for answers so small and so frequent that making their head
 * is most of what they cost. The response is told that it has finished, and so gives its connection back as it always does.
 * @param head the status line and the headers, each with its line break; `Date` and `Connection` are added
 * @returns whether it was answered; otherwise the usual way has to be taken
 */
export function answerBare(services: Services, response: ServerResponse, head: string): boolean {
  // Over HTTP/2 the connection is not this answer's own, and takes frames alone.
  if (response.req.httpVersionMajor !== 1) return false;
  const { socket } = response;
  // Behind others on its connection it has to wait; and what ends its connection or is for a page has more to say.
  if (socket === null || !response.shouldKeepAlive || corsOf(response).length > 0) return false;
  const { wheel, clock } = services;
  if (wheel.tick !== dateTick) {
    dateTick = wheel.tick;
    date = new Date(clock.nowMs()).toUTCString();
    lastHead = '';
  }
  if (head !== lastHead) {
    lastHead = head;
    lastText = `${head}Date: ${date}\r\nConnection: keep-alive\r\n\r\n`;
  }
  socket.write(lastText, 'latin1');
  response.emit('finish');
  return true;
}
