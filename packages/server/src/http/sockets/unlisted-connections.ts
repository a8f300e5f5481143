import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Connections that Node's server does not list. So its `closeAllConnections` does not end them, and
 * their clients would hold back the end of the hub. They are those that ask for an upgrade or send
 * `CONNECT`. Over TLS, they are all of them until their handshake has ended.
 *
 * Example: the hub closes while it waits for the keys of a WebSocket's token. The WebSocket has no
 * session yet, and no session ends it.
 */
export class UnlistedConnections {
  readonly #sockets = new Set<Socket>();

  /** @param isTls whether the server speaks TLS; then all its connections are in this list */
  constructor(server: Server, isTls: boolean) {
    if (isTls) server.on('connection', (socket: Socket) => this.add(socket));
  }

  /** Node's server has given the connection up. */
  add(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  /** The connection is that of a session now, which ends it. */
  remove(socket: Socket): void {
    this.#sockets.delete(socket);
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
