import { createServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { HttpSettings } from './http-frontend.ts';
import { withErrorListener, addErrorListeners, type ErrorSafe } from './sockets/error-safe-socket.ts';
import { TLS_OPTIONS } from './tls-certificate.ts';

/** Node's server as the hub uses it: bounded, with none of its timers for each request, and with a listener for the errors of each connection. */
export function createHttpServer(settings: HttpSettings): Server {
  const server = createNodeServer(settings);
  addErrorListeners(server);
  return server;
}

function createNodeServer({ headerBytesMax, headersTimeoutMs, tls }: HttpSettings): Server {
  const options: ServerOptions & { optimizeEmptyRequests: boolean } = {
    maxHeaderSize: headerBytesMax,
    headersTimeout: headersTimeoutMs,
    // Idle connections are ours to close.
    keepAliveTimeout: 0,
    connectionsCheckingInterval: Math.max(500, Math.min(5000, Math.floor(headersTimeoutMs / 2))),
    // Bodies have deadlines of their own, and a stream of lines may take as long as it goes on.
    requestTimeout: 0,
    noDelay: true,
    optimizeEmptyRequests: true,
    // Missing, it is refused with a code.
    requireHostHeader: false,
    // What some clients offer in passing (`Upgrade: h2c`) may be passed over (RFC 9110 section 7.8).
    shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
  };
  if (tls === undefined) return createServer(options);
  return createHttpsServer({
    ...options,
    cert: tls.certificate,
    key: tls.key,
    ...TLS_OPTIONS,
    // A connection that does not get as far as to speak HTTP has no more time than one whose headers do not come.
    handshakeTimeout: headersTimeoutMs,
    ALPNProtocols: tls.http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
  });
}

/**
 * Hands connections whose client chose `h2` to somebody else. Those of HTTP/1.1 go where they always went, and pay nothing for it: so
 * the server is that of `node:https` and not that of `node:http2`, which knows neither its limits nor its upgrades.
 */
export function routeHttp2(server: Server, accept: (socket: ErrorSafe<TLSSocket>) => void): void {
  const http1Listeners = server.listeners('secureConnection') as ((socket: TLSSocket) => void)[];
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.alpnProtocol === 'h2') return accept(withErrorListener(socket));
    for (const listener of http1Listeners) listener.call(server, socket);
  });
}
