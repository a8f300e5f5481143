import type { Duplex } from 'node:stream';
import type { EndReason } from '../core/session-journal/session-record.ts';
import type { ErrorSafe } from '../http/sockets/error-safe-socket.ts';

/** A connection, or a stream of HTTP/2, which has no address and no count of its own. */
export type SessionStream = ErrorSafe<
  Duplex & { readonly bytesRead?: number | undefined; readonly remoteAddress?: string | undefined }
>;

/** A socket with a reference to its session, so that all sockets share the same listeners. */
export type SessionSocket = SessionStream & {
  [SESSION]?: SocketOwner | undefined;
};

export const SESSION: unique symbol = Symbol('session');

/** Written to learn when the socket has taken all bytes before it. */
export const NO_BYTES: Buffer = Buffer.alloc(0);

/** The session of a socket, as far as its listeners know it. */
interface SocketOwner {
  onClose(): void;
  destroy(reason: EndReason): void;
  /** Handles bytes from the client. Absent where they are ignored. */
  receive?(bytes: Buffer): void;
}

/** From now on the session learns of the end of its socket. */
export function listenToSocket(socket: SessionSocket): void {
  socket.on('close', onSocketClose);
  socket.on('end', onSocketEnd);
}

/** From now on the session receives the bytes of its client. */
export function listenToBytes(socket: SessionSocket): void {
  socket.on('data', onSocketData);
}

function onSocketData(this: SessionSocket, bytes: Buffer): void {
  this[SESSION]?.receive?.(bytes);
}

function onSocketClose(this: SessionSocket): void {
  const session = this[SESSION];
  this[SESSION] = undefined;
  session?.onClose();
}

/** The client closed its side. A stream has no use for a half-open connection. */
function onSocketEnd(this: SessionSocket): void {
  const session = this[SESSION];
  if (session === undefined) this.destroy();
  else session.destroy('client');
}
