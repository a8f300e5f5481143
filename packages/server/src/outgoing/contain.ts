import type { Socket } from 'node:net';

/**
 * Confines what an HTTP client throws to the socket whose event it was handling. A peer decides which bytes, ends and resets arrive in
 * which order, so an assertion of the client's must cost that peer its request, and not the hub its process.
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
