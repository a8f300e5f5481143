import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

declare const OWNED: unique symbol;

/**
 * A stream whose errors always have a listener. An error without one ends the process, and Node takes its own listener away whenever it
 * gives a socket up: before `upgrade` and `connect`, and after bytes that are no HTTP. So whatever writes to a socket past Node's
 * responses asks for this type, and `own` alone makes it.
 */
export type Owned<Stream extends EventEmitter = Socket> = Stream & { readonly [OWNED]: true };

/** Gives every connection of a server its listener, before anybody else knows of it. */
export function ownConnections(server: Server): void {
  server.prependListener('connection', ownQuietly);
  // Over TLS the connection and the socket above it are two.
  server.prependListener('secureConnection', ownQuietly);
}

/**
 * A listener has to return nothing. A single one that returns something makes `emit` keep a list of arguments for each event of
 * everything from then on (Node's `captureRejections` asks for it): 400 bytes a request.
 */
function ownQuietly(socket: Socket): void {
  own(socket);
}

/** Gives a stream its listener, unless it has it. */
export function own<Stream extends EventEmitter>(stream: Stream): Owned<Stream> {
  if (stream.listenerCount('error', ignoreError) === 0) stream.on('error', ignoreError);
  return stream as Owned<Stream>;
}

/** Lets go of all listeners but that of errors: the only place where that is allowed (`scripts/tidy`). */
export function releaseListeners<Stream extends EventEmitter = Socket>(socket: Stream): Owned<Stream> {
  // Not the socket's own method, which looks in the next tick whether somebody is still reading.
  EventEmitter.prototype.removeAllListeners.call(socket);
  return own(socket);
}

/** `close` follows, which is what everybody waits for. */
function ignoreError(): void {}
