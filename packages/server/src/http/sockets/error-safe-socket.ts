import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

declare const ERROR_SAFE: unique symbol;

/**
 * A stream that always has a listener for errors. An error without a listener ends the process.
 * Node removes its own listener when it gives a socket up: before `upgrade` and `connect`, and
 * after invalid HTTP. So code that writes to a socket directly requires this type, and only
 * `withErrorListener` makes it.
 */
export type ErrorSafe<Stream extends EventEmitter = Socket> = Stream & { readonly [ERROR_SAFE]: true };

/** Adds the error listener to every connection of a server, before all other listeners. */
export function addErrorListeners(server: Server): void {
  server.prependListener('connection', addErrorListener);
  // Over TLS the connection and the TLS socket are two objects.
  server.prependListener('secureConnection', addErrorListener);
}

/**
 * Must return nothing. If one listener returns a value, `emit` keeps a list of arguments for each
 * later event (for Node's `captureRejections`): 400 bytes per request.
 */
function addErrorListener(socket: Socket): void {
  withErrorListener(socket);
}

/** Adds the error listener unless the stream has it. */
export function withErrorListener<Stream extends EventEmitter>(stream: Stream): ErrorSafe<Stream> {
  if (stream.listenerCount('error', ignoreError) === 0) stream.on('error', ignoreError);
  return stream as ErrorSafe<Stream>;
}

/** Removes all listeners but that of errors. `scripts/tidy` allows this only here. */
export function removeListeners<Stream extends EventEmitter = Socket>(socket: Stream): ErrorSafe<Stream> {
  // The socket's own method would check in the next tick whether a reader is left.
  if (!emptyTable(socket as NodeEmitter)) EventEmitter.prototype.removeAllListeners.call(socket);
  return withErrorListener(socket);
}

/** The members of Node's emitter are undocumented, so the code checks each before it uses it. */
interface NodeEmitter {
  _events?: object;
  _eventsCount?: number;
}

/**
 * Gives an emitter an empty table of its own, in which `undefined` is an event without listeners,
 * as in Node's. `removeAllListeners` would leave a dictionary: 130 bytes more for each connection.
 */
function emptyTable(emitter: NodeEmitter): boolean {
  if (typeof emitter._events !== 'object' || typeof emitter._eventsCount !== 'number') return false;
  emitter._events = { error: undefined, close: undefined, end: undefined, data: undefined };
  emitter._eventsCount = 0;
  return true;
}

/** Ignores the error: `close` follows, and the code listens to that. */
function ignoreError(): void {}
