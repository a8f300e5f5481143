import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

declare const ERROR_SAFE: unique symbol;

/**
 * A stream whose errors always have a listener. An error without one ends the process, and Node takes its own listener away whenever it
 * gives a socket up: before `upgrade` and `connect`, and after bytes that are no HTTP. So whatever writes to a socket past Node's
 * responses asks for this type, and `own` alone makes it.
 */
export type ErrorSafe<Stream extends EventEmitter = Socket> = Stream & { readonly [ERROR_SAFE]: true };

/** Gives every connection of a server its listener, before anybody else knows of it. */
export function addErrorListeners(server: Server): void {
  server.prependListener('connection', addErrorListener);
  // Over TLS the connection and the socket above it are two.
  server.prependListener('secureConnection', addErrorListener);
}

/**
 * A listener has to return nothing. A single one that returns something makes `emit` keep a list of arguments for each event of
 * everything from then on (Node's `captureRejections` asks for it): 400 bytes a request.
 */
function addErrorListener(socket: Socket): void {
  withErrorListener(socket);
}

/** Gives a stream its listener, unless it has it. */
export function withErrorListener<Stream extends EventEmitter>(stream: Stream): ErrorSafe<Stream> {
  if (stream.listenerCount('error', ignoreError) === 0) stream.on('error', ignoreError);
  return stream as ErrorSafe<Stream>;
}

/** Lets go of all listeners but that of errors: the only place where that is allowed (`scripts/tidy`). */
export function removeListeners<Stream extends EventEmitter = Socket>(socket: Stream): ErrorSafe<Stream> {
  // Not the socket's own method, which looks in the next tick whether somebody is still reading.
  EventEmitter.prototype.removeAllListeners.call(socket);
  return withErrorListener(socket);
}

/** `close` follows, which is what everybody waits for. */
function ignoreError(): void {}
