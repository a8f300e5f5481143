import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Connections that Node's server does not list. So its `closeAllConnections` does not end them, and
 * their clients would hold back the end of the hub. They are those that ask for an upgrade. Over
 * TLS, they are all of them until their handshake has ended.
 *
 * Example: the hub closes while it waits for the keys of a WebSocket's token. The WebSocket has no
 * session yet, and no session ends it.
 */
export class UnlistedConnections {
  readonly #sockets = new Set<Socket>();

  /** @param isTls whether the server speaks TLS; then all its connections are in this list */
  constructor(server: Server, isTls: boolean) {
    if (!isTls) return;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** Has a connection in the list while its upgrade is answered. */
  async during(socket: Socket, answer: () => Promise<void>): Promise<void> {
    this.#sockets.add(socket);
    try {
      await answer();
    } finally {
      this.#sockets.delete(socket);
    }
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
