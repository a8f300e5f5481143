import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { withErrorListener, removeListeners, type ErrorSafe } from './error-safe-socket.ts';

/**
 * The members that Node's HTTP server adds to a socket. They are undocumented, so the code checks
 * each before it uses it.
 */
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
 * Takes a socket out of Node's HTTP server, as an upgrade does, for a response without an end. It
 * releases the parser, the request, the response and the server's listeners, some 10 kB per
 * connection (docs/decisions/0008-detached-sockets.md). Of the other listeners it keeps that of
 * `onSocketClose` and that of errors.
 * The parser may be in the middle of a packet. The hub ignores the rest of it, and all later input.
 * If Node's members differ from the expected ones, nothing is detached. The socket can still be
 * written to. It only keeps its memory, and further requests on it wait behind the response.
 * @throws PolycastError `pipelined_request`: the socket still belongs to another response
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
  const owned = releaseListeners(socket);
  response.detachSocket(socket);
  if (socket.timeout !== undefined && socket.timeout > 0) socket.setTimeout(0);
  // The server wraps these methods to notice a takeover of its socket. The wrappers hold the
  // parser.
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
  // The parser's code is still on the call stack.
  if (detachedParsers.push(parser) === 1) setImmediate(closeDetachedParsers);
  socket[DETACHED] = true;
  return owned;
}

/** Removes the listeners of a socket but that of `onSocketClose` and that of errors. */
export function releaseListeners(socket: SocketWithMarks): ErrorSafe {
  const owned = removeListeners(socket);
  if (socket[CLOSE_LISTENER] !== undefined) socket.on('close', socket[CLOSE_LISTENER]);
  return owned;
}

/** Whether the socket has been detached from Node's HTTP server. */
export function isDetached(socket: object): boolean {
  return (socket as SocketWithMarks)[DETACHED] === true;
}

/**
 * Calls the listener when the socket is closed, even if it is detached first. A socket has one such
 * listener.
 */
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

/**
 * Ignores a request after the one with the endless response. It gets no response and cannot upgrade
 * the socket.
 */
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
