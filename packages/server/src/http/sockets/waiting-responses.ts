import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Remembers a response that waits behind another of its connection. Node ends such responses when
 * the connection closes, unless a `CONNECT` or an upgrade follows them: with it Node releases the
 * connection. Then these responses would never end, nor would the waiting polls and quotas that
 * depend on their end.
 */
export function noteWaiting(response: ServerResponse): void {
  // Most responses have the connection to themselves.
  if (response.socket !== null) return;
  const socket: Shared = response.req.socket;
  const waiting = (socket[WAITING] ??= new Set());
  waiting.add(response);
  response.once('close', () => waiting.delete(response));
}

/** Ends the waiting responses of a connection with it, after Node has released it. */
export function endWaitingWith(socket: Socket): void {
  socket.once('close', endWaiting);
}

function endWaiting(this: Shared): void {
  // Each response emits `close` in the next turn.
  for (const response of this[WAITING] ?? []) if (response.socket === null) response.destroy();
}

const WAITING: unique symbol = Symbol('waiting');

interface Shared extends Socket {
  [WAITING]?: Set<ServerResponse>;
}
