import { once } from 'node:events';
import type WebSocket from 'ws';

/** Waits until a WebSocket is open. Returns the status of a refusal instead. */
export async function openedOrRefused(socket: WebSocket): Promise<WebSocket | number> {
  socket.on('error', () => undefined);
  const { promise, resolve } = Promise.withResolvers<number>();
  socket.on('unexpected-response', (request, { statusCode = 0 }) => {
    request.destroy();
    resolve(statusCode);
  });
  return Promise.race([promise, once(socket, 'open').then(() => socket)]);
}
