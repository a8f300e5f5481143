import type { Socket } from 'node:net';

/**
 * Catches errors that an HTTP client throws in an event of a socket. A peer controls the order of
 * bytes, ends and resets. An assertion of the client must fail that peer's request, and not end the
 * hub's process.
 * @param onError is called with the error, after the socket has been destroyed
 */
export function containErrors<Kind extends Socket>(socket: Kind, onError: (error: unknown) => void): Kind {
  const { emit } = socket;
  socket.emit = function containedEmit(this: Kind, ...event: Parameters<typeof emit>): boolean {
    try {
      return emit.apply(this, event);
    } catch (error) {
      this.destroy();
      onError(error);
      return true;
    }
  };
  return socket;
}
