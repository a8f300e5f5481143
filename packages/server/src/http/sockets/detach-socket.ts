import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { withErrorListener, removeListeners, type ErrorSafe } from './error-safe-socket.ts';

/** What Node's HTTP server hangs on a socket; not documented, so every part is looked at before it is touched. */
interface NodeHttpSocket {
  parser?: HttpParser | null;
  _httpMessage?: unknown;
  _paused?: boolean;
  on: Socket['on'];
  addListener: Socket['addListener'];
  prependListener: Socket['prependListener'];
  setEncoding: Socket['setEncoding'];
}

interface HttpParser {
  unconsume?: () => void;
  remove?: () => void;
  close?: () => void;
  [part: string]: unknown;
}

/**
 * Takes a socket out of Node's HTTP server, as an upgrade does, for an answer that never ends: the parser, the request, the
 * response and the server's listeners are let go, some 10 kB a connection (docs/decisions/0008-detached-sockets.md). Of all others who
 * listened to it there remains who asked by `whenClosed`, and the listener of errors.
 *
 * The parser may be in the middle of what one packet brought. The rest of it means nothing, as all that comes later.
 *
 * When this Node does not look as expected nothing is done: the socket can be written to all the same, it only keeps
 * what it holds, and further requests on it wait behind the answer.
 * @throws PolycastError `pipelined_request`: the socket is that of another answer still
 */
export function detachSocket(request: IncomingMessage, response: ServerResponse): ErrorSafe {
  const socket: SocketWithMarks = request.socket;
  if (response.socket !== socket) throw new PolycastError('pipelined_request');
  const parts = socket as unknown as NodeHttpSocket;
  const { parser } = parts;
  if (
    !parser ||
    typeof parser.unconsume !== 'function' ||
    typeof parser.remove !== 'function' ||
    typeof parser.close !== 'function'
  )
    return withErrorListener(socket);
  const owned = removeListeners(socket);
  if (socket[CLOSE_LISTENER] !== undefined) socket.on('close', socket[CLOSE_LISTENER]);
  response.detachSocket(socket);
  if (socket.timeout !== undefined && socket.timeout > 0) socket.setTimeout(0);
  // The server wraps these to notice when somebody takes its socket over; the wrappers hold the parser.
  parts.on = Socket.prototype.on;
  parts.addListener = Socket.prototype.addListener;
  parts.prependListener = Socket.prototype.prependListener;
  parts.setEncoding = Socket.prototype.setEncoding;
  parser.unconsume();
  parser.remove();
  parser['socket'] = null;
  parser['incoming'] = null;
  parser['outgoing'] = null;
  parser['onIncoming'] = ignoreRequest;
  parts.parser = null;
  parts._httpMessage = null;
  parts._paused = false;
  // Its code is still running below this call.
  if (detachedParsers.push(parser) === 1) setImmediate(closeDetachedParsers);
  socket[DETACHED] = true;
  return owned;
}

/** Whether the socket is no longer that of Node's HTTP server. */
export function isDetached(socket: object): boolean {
  return (socket as SocketWithMarks)[DETACHED] === true;
}

/** Has a listener called once a socket is closed, whether or not it has been detached by then. One for each socket. */
export function onSocketClose(socket: SocketWithMarks, listener: () => void): void {
  socket[CLOSE_LISTENER] = listener;
  socket.on('close', listener);
}

const CLOSE_LISTENER: unique symbol = Symbol('closed');
const DETACHED: unique symbol = Symbol('detached');

interface SocketWithMarks extends Socket {
  [CLOSE_LISTENER]?: () => void;
  [DETACHED]?: true;
}

/** A request behind the one whose answer never ends. Nobody answers it; least of all is it an upgrade of this socket. */
function ignoreRequest(request: IncomingMessage & { upgrade?: boolean }): number {
  request.upgrade = false;
  return 0;
}

/** Parsers whose sockets were detached in this turn. */
const detachedParsers: HttpParser[] = [];

function closeDetachedParsers(): void {
  for (const parser of detachedParsers) parser.close?.();
  detachedParsers.length = 0;
}
