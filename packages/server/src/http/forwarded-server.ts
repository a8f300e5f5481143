import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { PEER_ADDRESS_HEADER, PEER_ENCRYPTED_HEADER } from './forward-requests.ts';
import { addErrorListeners } from './sockets/error-safe-socket.ts';

/**
 * Connections that wait to be accepted: as many as Linux permits by default.
 * Beyond it connecting fails.
 */
const BACKLOG_MAX = 4096;

/**
 * Answers the requests that other processes of the hub forward (`forward-requests.ts`). Each looks
 * like a request of the client itself: with the client's address, and with TLS if it came by TLS.
 * Only processes of the same user reach this socket, so its headers are trusted.
 */
export async function serveForwardedRequests(
  path: string,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const server = createForwardedServer(handle);
  // Of the process before, which has ended.
  rmSync(path, { force: true });
  server.listen({ path, backlog: BACKLOG_MAX });
  await once(server, 'listening');
  return server;
}

/**
 * The server, which does not listen. Connections can be given to it, as the event `connection`. In
 * a cluster they come over the brokers: a client that may publish there chooses the address that
 * it shows.
 */
export function createForwardedServer(handle: (request: IncomingMessage, response: ServerResponse) => void): Server {
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, requireHostHeader: false });
  addErrorListeners(server);
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    restorePeer(request);
    handle(request, response);
  });
  return server;
}

/** A connection carries one request at a time, so the socket can show the peer of this one. */
function restorePeer({ socket, headers }: IncomingMessage): void {
  const address = headers[PEER_ADDRESS_HEADER];
  const isEncrypted = headers[PEER_ENCRYPTED_HEADER] === 'true';
  delete headers[PEER_ADDRESS_HEADER];
  delete headers[PEER_ENCRYPTED_HEADER];
  Object.defineProperty(socket, 'remoteAddress', { value: address, configurable: true });
  Object.defineProperty(socket, 'encrypted', { value: isEncrypted, configurable: true });
}
