import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** Listens on a loopback address until the end of the test, and returns the port. */
export async function listenUntilTestEnds(server: Server | TcpServer, host = '127.0.0.1', port = 0): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => void sockets.add(socket.on('error', () => undefined)));
  server.listen(port, host);
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A third-party web server. */
export async function openWebServer(
  listener: RequestListener,
): Promise<{ readonly url: string; readonly port: number; readonly server: Server }> {
  const server = createServer(listener);
  const port = await listenUntilTestEnds(server);
  return { url: `http://127.0.0.1:${port}`, port, server };
}

/**
 * A server with any behaviour, also other than HTTP. `spoken` has the bytes of each received piece.
 */
export async function openTcpServer(onData: (socket: Socket, piece: string) => void): Promise<string> {
  const port = await listenUntilTestEnds(
    createTcpServer((socket) => socket.setEncoding('latin1').on('data', (piece: string) => onData(socket, piece))),
  );
  return `http://127.0.0.1:${port}`;
}
