import { createServer, setMaxIdleHTTPParsers, type Server, type ServerOptions } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { HttpSettings } from './http-settings.ts';
import { withErrorListener, addErrorListeners, type ErrorSafe } from './sockets/error-safe-socket.ts';
import { TLS_OPTIONS } from './tls-certificate.ts';

/**
 * Parsers without a connection that Node keeps for the next ones, in the whole process. Each takes
 * 10 kB. Node's own bound is 1,000, and a crowd of WebSockets that connects at once leaves 250.
 */
const IDLE_PARSERS_MAX = 64;

/**
 * Creates a Node server with the hub's bounds, without Node's timers for each request, and with an
 * error listener on each connection.
 */
export function createHttpServer(settings: HttpSettings): Server {
  setMaxIdleHTTPParsers(IDLE_PARSERS_MAX);
  const server = createNodeServer(settings);
  addErrorListeners(server);
  return server;
}

function createNodeServer({ headerBytesMax, headersTimeoutMs, tls }: HttpSettings): Server {
  const options: ServerOptions & { optimizeEmptyRequests: boolean } = {
    maxHeaderSize: headerBytesMax,
    headersTimeout: headersTimeoutMs,
    // `IdleConnections` closes idle connections.
    keepAliveTimeout: 0,
    connectionsCheckingInterval: Math.max(500, Math.min(5000, Math.floor(headersTimeoutMs / 2))),
    // Bodies have their own deadlines, and a stream of lines may last any time.
    requestTimeout: 0,
    noDelay: true,
    optimizeEmptyRequests: true,
    // `checkRequestHead` refuses a missing `Host` with an error code.
    requireHostHeader: false,
    // A server may ignore an offered upgrade (RFC 9110 section 7.8), which some clients send with
    // every request (`Upgrade: h2c`).
    shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
  };
  if (tls === undefined) return createServer(options);
  // Not by an import, which would load TLS at each start.
  return process.getBuiltinModule('node:https').createServer({
    ...options,
    cert: tls.certificate,
    key: tls.key,
    ...TLS_OPTIONS,
    // A TLS handshake has as much time as the headers of a request.
    handshakeTimeout: headersTimeoutMs,
    ALPNProtocols: tls.http2Connections !== undefined ? ['h2', 'http/1.1'] : ['http/1.1'],
  });
}

/**
 * Passes connections with the protocol `h2` to `accept`. Those of HTTP/1.1 keep their listeners and
 * cost nothing more. So the server is that of `node:https`. The one of `node:http2` lacks its
 * limits and its upgrades.
 */
export function routeHttp2(server: Server, accept: (socket: ErrorSafe<TLSSocket>) => void): void {
  const http1Listeners = server.listeners('secureConnection') as ((socket: TLSSocket) => void)[];
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.alpnProtocol === 'h2') return accept(withErrorListener(socket));
    for (const listener of http1Listeners) listener.call(server, socket);
  });
}
