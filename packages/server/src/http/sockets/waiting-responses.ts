import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Notes an answer that waits behind another of its connection. Node ends such answers when the connection closes, unless a `CONNECT` or
 * an upgrade stands behind them: with it Node lets go of the connection. Then nobody would end them, nor what waits for their end: a poll
 * that is held, the place of what was answered.
 */
export function noteWaiting(response: ServerResponse): void {
  // Most have the connection to themselves.
  if (response.socket !== null) return;
  const socket: Shared = response.req.socket;
  const waiting = (socket[WAITING] ??= new Set());
  waiting.add(response);
  response.once('close', () => waiting.delete(response));
}

/** Node has let go of a connection: from now on its answers end with it here. */
export function endWaitingWith(socket: Socket): void {
  socket.once('close', endWaiting);
}

function endWaiting(this: Shared): void {
  // Each of them says in the next turn that it has closed.
  for (const response of this[WAITING] ?? []) if (response.socket === null) response.destroy();
}

const WAITING: unique symbol = Symbol('waiting');

interface Shared extends Socket {
  [WAITING]?: Set<ServerResponse>;
}
