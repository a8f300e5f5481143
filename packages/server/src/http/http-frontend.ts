import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import {
  hasPendingResponse,
  refuseAfterPending,
  refuseMalformed,
  writeRefusal,
  type ClientError,
} from './sockets/raw-refusal.ts';
import { detachedCopy } from '../core/interests/interest.ts';
import { channelRoutes } from '../streams/channel-routes.ts';
import { clientAddress } from './client-address.ts';
import { authorizeQuery, createConsumer } from '../streams/consumer.ts';
import { checkCredentials } from '../auth/permission.ts';
import { readEvents } from '../streams/events-route.ts';
import { EventsQueryParser } from '../streams/events-query.ts';
import { createHttpServer, routeHttp2 } from './http-server.ts';
import { Http2Connections } from './http2/http2-connections.ts';
import { IdleConnections, markUsed, stopTracking, type IdleTracker } from './sockets/idle-connections.ts';
import { PUBLIC_CORS, type OriginPolicy } from './headers/origin-policy.ts';
import { withErrorListener } from './sockets/error-safe-socket.ts';
import { checkRequestHead } from './request-head.ts';
import { createHandler, routeName, type RequestHandler, type Route } from './route.ts';
import { toPolycastError, respondEmpty, respondProblem, setCommonHeaders } from './respond.ts';
import { Router, type RouteMatch } from './router.ts';
import { SocketLimit } from './sockets/socket-limit.ts';
import { setSecurityHeaders, createStrictTransportHeader } from './security-headers.ts';
import type { Services } from './services.ts';
import { UnreadResponses } from './sockets/unread-responses.ts';
import { endWaitingWith, noteWaiting } from './sockets/waiting-responses.ts';
import { openWebSocket, readHandshake } from '../streams/websocket/websocket-session.ts';

export interface HttpSettings {
  readonly headerBytesMax: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly connectionsMax: number;
  /** Bytes of responses that clients have not read yet. */
  readonly answersBytesMax: number;
  readonly socketsPerAddressMax: number | null;
  readonly connectionsPerPublicAddressMax: number | null;
  /** Refuse requests whose `Host` is not a loopback name. */
  readonly loopbackHostsOnly: boolean;
  /** The hub's public name, which is accepted as well. */
  readonly publicHost: string | undefined;
  readonly tls: TlsSettings | undefined;
  /** HTTP/2: open streams of one connection, and streams that a client may reset per second. */
  readonly http2StreamsMax: number;
  readonly http2ResetsPerSecondMax: number;
}

export interface TlsSettings {
  readonly certificate: Buffer;
  readonly key: Buffer;
  readonly http2: boolean;
  /** The `max-age` of HSTS in seconds; 0 sends no header. */
  readonly hstsMaxAgeSeconds: number;
}

/**
 * The HTTP side of the hub. It routes requests, and refuses invalid ones before it identifies the
 * caller.
 */
export class HttpFrontend {
  readonly server: Server;
  /** The connections that use HTTP/2. */
  readonly http2: Http2Connections;
  /** Responses that clients have not read yet. */
  readonly unreadResponses: UnreadResponses;
  /** All routes. */
  readonly routes: readonly Route[];
  readonly #services: Services;
  readonly #origins: OriginPolicy;
  readonly #queries: EventsQueryParser;
  readonly #router = new Router<RegisteredRoute>();
  #draining = false;
  /**
   * Connections beyond the limit: the first request receives the error, and the connection is
   * closed.
   */
  readonly #refusals = new WeakMap<Duplex, PolycastError>();
  #hasRefusals = false;
  readonly #socketLimit: SocketLimit | undefined;
  /** An upper bound of the open connections, based on the server's last count. */
  #connectionCountBound = 0;
  readonly #loopbackHostsOnly: boolean;
  /** The last accepted `Host`: most requests repeat it. */
  #lastAcceptedHost: string | undefined;
  readonly #publicHost: string | undefined;
  readonly #strictTransportHeader: readonly string[];

  /** @param routes routes beside those of the transports: health, metrics, pages */
  constructor(services: Services, settings: HttpSettings, routes: readonly Route[]) {
    this.#services = services;
    this.#loopbackHostsOnly = settings.loopbackHostsOnly;
    this.#publicHost = settings.publicHost?.toLowerCase();
    this.#strictTransportHeader = createStrictTransportHeader(settings.tls?.hstsMaxAgeSeconds ?? 0);
    this.#origins = services.originPolicy;
    this.#queries = new EventsQueryParser(services.settings);
    this.routes = [...this.#builtInRoutes(), ...routes];
    for (const route of this.routes) {
      const { path, isPublic = false } = route;
      const stored: RegisteredRoute = {
        handle: createHandler(services, route),
        isPublic,
        isApi: path.startsWith('/v1/'),
        name: routeName(route),
      };
      this.#router.add(route, stored);
    }
    this.unreadResponses = new UnreadResponses(services, settings.answersBytesMax);
    this.server = createHttpServer(settings);
    this.server.maxConnections = settings.connectionsMax + REFUSED_CONNECTIONS_MAX;
    const { socketsPerAddressMax, connectionsPerPublicAddressMax } = settings;
    const countMax = socketsPerAddressMax ?? connectionsPerPublicAddressMax;
    if (countMax !== null) {
      const limit = new SocketLimit(countMax, services.trustedProxies, socketsPerAddressMax === null);
      this.#socketLimit = limit;
      this.server.on('connection', (socket) => limit.add(socket));
    }
    const keepAlive = new IdleConnections(services.wheel, settings.keepAliveTimeoutMs);
    this.server.on(settings.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      keepAlive.track(socket);
      this.#countConnection(socket, settings.connectionsMax);
    });
    this.http2 = new Http2Connections(services, http2Settings(settings), ({ request, response }) =>
      this.#handleRequest(request, response, undefined),
    );
    if (settings.tls?.http2 === true)
      routeHttp2(this.server, (socket) => {
        this.http2.add(socket);
        this.#countConnection(socket, settings.connectionsMax);
      });
    this.server.on('request', (request, response) => this.#asked(request, response));
    this.server.on(
      'upgrade',
      (request: IncomingMessage, stream: Duplex, head: Buffer) => void this.#handleUpgrade(request, stream, head),
    );
    this.server.on('connect', (request: IncomingMessage, stream: Duplex) =>
      refuseConnectionRequest(request, stream, new PolycastError('method_not_allowed', 'The hub is not a proxy.')),
    );
    // A server may ignore an unknown expectation (RFC 9110 section 10.1.1).
    this.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
      this.#asked(request, response),
    );
    this.server.on('clientError', (error: ClientError, socket: Duplex) =>
      refuseMalformed(error, withErrorListener(socket as Socket), settings.headerBytesMax),
    );
    this.server.on('drop', () =>
      services.logger.warn(
        { limit: settings.connectionsMax },
        'http: connection refused, limits.connectionsMax is reached',
      ),
    );
  }

  /** Refuses new publishes and new readers from now on. */
  drain(): void {
    this.#draining = true;
    this.http2.drain();
  }

  /** Refused connections of addresses with too many. */
  get socketsRefused(): number {
    return this.#socketLimit?.refused ?? 0;
  }

  #countConnection(socket: Socket, connectionsMax: number): void {
    this.unreadResponses.watch(socket);
    const refusal = this.#socketLimit?.refusalOf(socket);
    if (refusal !== undefined) return this.#refuseConnection(socket, refusal);
    if (++this.#connectionCountBound <= connectionsMax) return;
    this.#connectionCountBound = 0;
    this.server.getConnections((_error, count) => {
      this.#connectionCountBound += count;
      if (count > connectionsMax)
        this.#refuseConnection(
          socket,
          new PolycastError('overloaded', 'The hub has reached its limit of connections.', { retryAfterMs: 5000 }),
        );
    });
  }

  #refuseConnection(socket: Socket, error: PolycastError): void {
    this.#refusals.set(socket, error);
    this.#hasRefusals = true;
  }

  /**
   * Refuses names other than the loopback's where everybody on this machine has full access.
   * Otherwise a page whose name resolves to this machine (DNS rebinding) would have the hub's own
   * origin.
   */
  #checkHost({ headers: { host } }: IncomingMessage): void {
    if (host === undefined || host === this.#lastAcceptedHost) return;
    const isAllowed = LOOPBACK_HOST.test(host) || host.toLowerCase().replace(/:\d+$/, '') === this.#publicHost;
    if (!isAllowed) throw new PolycastError('host_not_allowed', `The request names ${host.slice(0, 100)}.`);
    this.#lastAcceptedHost = detachedCopy(host);
  }

  #checkConnectionLimit({ socket }: IncomingMessage): void {
    const error = this.#refusals.get(socket);
    if (error !== undefined) throw error;
  }

  #builtInRoutes(): Route[] {
    const answer: RequestHandler = (request, response) => readEvents(this.#services, this.#queries, request, response);
    return [{ method: 'GET', path: '/v1/events', answer }, ...channelRoutes(this.#services)];
  }

  /** Handles a request of HTTP/1.1. */
  #asked(request: IncomingMessage, response: ServerResponse): void {
    noteWaiting(response);
    this.#handleRequest(request, response, markUsed(request.socket));
  }

  #handleRequest(request: IncomingMessage, response: ServerResponse, connection: IdleTracker | undefined): void {
    try {
      if (this.#hasRefusals) this.#checkConnectionLimit(request);
      checkRequestHead(request);
      const { url = '/', method = 'GET', headers } = request;
      if (this.#loopbackHostsOnly) this.#checkHost(request);
      if (headers.origin !== undefined || this.#origins.allowsCrossOrigin || this.#strictTransportHeader.length > 0)
        setCommonHeaders(response, [...this.#strictTransportHeader, ...this.#origins.corsHeaders(request)]);
      const isForbiddenOrigin =
        (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined) && !this.#origins.allows(request);
      // The most frequent address skips the router.
      if (method === 'GET' && url.startsWith('/v1/events?') && !this.#draining && !isForbiddenOrigin) {
        const reading = readEvents(this.#services, this.#queries, request, response, connection);
        if (reading !== undefined) reading.catch((error: unknown) => this.#handleError(request, response, error));
        return;
      }
      const question = url.indexOf('?');
      const path = question < 0 ? url : url.slice(0, question);
      if (method !== 'POST' || !path.startsWith('/v1/')) setSecurityHeaders(response, this.#strictTransportHeader);
      const found = method === 'OPTIONS' ? null : this.#router.find(method, path);
      if (isForbiddenOrigin) this.#handleForbiddenOrigin(request, response, found);
      if (method === 'OPTIONS') return this.#respondOptions(request, response, path);
      const query = question < 0 ? '' : url.slice(question + 1);
      if (found === null) return this.#respondNotFound(response, path);
      const { handle: answer, isApi } = found.route;
      if (isApi) this.#checkDraining();
      const pending = answer(request, response, found.params, query);
      if (pending instanceof Promise) pending.catch((error: unknown) => this.#handleError(request, response, error));
    } catch (error) {
      this.#handleError(request, response, error);
    }
  }

  /**
   * Handles a request of a page whose origin is not allowed. It ends here, before the caller is
   * identified. The preflight still succeeds, so that the page can read the refusal
   * (docs/decisions/0030-refused-origins.md).
   */
  #handleForbiddenOrigin(
    request: IncomingMessage,
    response: ServerResponse,
    found: RouteMatch<RegisteredRoute> | null,
  ): void {
    if (found?.route.isPublic === true) return setCommonHeaders(response, PUBLIC_CORS);
    setCommonHeaders(response, [...this.#strictTransportHeader, ...this.#origins.refusalHeaders(request)]);
    if (request.method !== 'OPTIONS') throw originNotAllowed(request);
  }

  #checkDraining(): void {
    if (this.#draining) throw new PolycastError('draining', undefined, { retryAfterMs: 1000 });
  }

  #respondOptions(request: IncomingMessage, response: ServerResponse, path: string): void {
    const methods = this.#router.allowedMethods(path);
    if (methods === '') return this.#respondNotFound(response, path);
    respondEmpty(response, 204, ['Allow', methods, ...this.#origins.preflightHeaders(request, methods)]);
  }

  #respondNotFound(response: ServerResponse, path: string): void {
    const methods = this.#router.allowedMethods(path);
    const isUnknownPath = methods === '';
    const error = isUnknownPath
      ? new PolycastError('not_found')
      : new PolycastError('method_not_allowed', `Allowed: ${methods}.`);
    this.#recordRefusal(response.req, error, NO_ROUTE);
    respondProblem(response, error, isUnknownPath ? [] : ['Allow', methods]);
  }

  #recordRefusal(request: IncomingMessage, error: PolycastError, route: string): void {
    const { origin, host } = request.headers;
    this.#services.refusalLog.record(error, { route, address: clientAddress(this.#services, request), origin, host });
  }

  /** The route that a refusal is counted under; found only for a refusal. */
  #matchedRouteName(request: IncomingMessage): string {
    const found = this.#router.find(request.method ?? 'GET', pathOf(request));
    return found === null ? NO_ROUTE : found.route.name;
  }

  #handleError(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const known = toPolycastError(error);
    if (known.code === 'internal_error')
      this.#services.logger.error({ error, path: pathOf(request) }, 'a request failed');
    this.#recordRefusal(request, known, this.#matchedRouteName(request));
    if (response.destroyed) return;
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // The rest of an unread body is discarded without a wait.
    const isUnread = request.httpVersionMajor === 1 && !request.complete && announcesBody(request);
    if (isUnread || this.#refusals.has(request.socket)) response.shouldKeepAlive = false;
    respondProblem(response, known);
    if (isUnread) request.resume();
  }

  async #handleUpgrade(request: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> {
    const socket = withErrorListener(request.socket);
    if (hasPendingResponse(socket))
      return refuseConnectionRequest(request, stream, new PolycastError('pipelined_request'));
    // After an incomplete body Node passes a stream that is not the socket.
    if (stream !== socket || announcesBody(request))
      return refuseConnectionRequest(
        request,
        stream,
        new PolycastError('invalid_request', 'An upgrade must not have a body.'),
      );
    stopTracking(socket);
    try {
      if (this.#hasRefusals) this.#checkConnectionLimit(request);
      checkRequestHead(request);
      const { url = '/' } = request;
      const question = url.indexOf('?');
      if ((question < 0 ? url : url.slice(0, question)) !== '/v1/events') throw new PolycastError('not_found');
      this.#checkDraining();
      if (this.#loopbackHostsOnly) this.#checkHost(request);
      if (!this.#origins.allows(request)) throw originNotAllowed(request);
      const handshake = readHandshake(request);
      const query = this.#queries.parse(url);
      const principal = authorizeQuery(this.#services, request, query);
      const consumer = createConsumer(
        this.#services,
        request,
        query,
        principal instanceof Promise ? await principal : principal,
      );
      const known = consumer instanceof Promise ? await consumer : consumer;
      if (socket.destroyed) return;
      checkCredentials(this.#services, known.principal);
      this.#services.connectionQuota.admit(known.principal, known.address);
      this.#services.presence.checkCapacity(known.principal, known.interest.patterns);
      openWebSocket(this.#services, socket, head, handshake, known, query.types);
    } catch (error) {
      const known = toPolycastError(error);
      if (known.code === 'internal_error')
        this.#services.logger.error({ error, path: pathOf(request) }, 'an upgrade failed');
      this.#recordRefusal(request, known, 'WebSocket');
      writeRefusal(socket, known);
    }
  }
}

/**
 * Connections beyond the limit that still receive an error; further ones are closed without one.
 */
const REFUSED_CONNECTIONS_MAX = 256;

function http2Settings(settings: HttpSettings): ConstructorParameters<typeof Http2Connections>[1] {
  return {
    streamsMax: settings.http2StreamsMax,
    resetsPerSecondMax: settings.http2ResetsPerSecondMax,
    streamsTotalMax: settings.connectionsMax,
    headerBytesMax: settings.headerBytesMax,
    idleMs: settings.keepAliveTimeoutMs,
  };
}

function originNotAllowed({ headers: { origin } }: IncomingMessage): PolycastError {
  if (origin === undefined)
    return new PolycastError('origin_not_allowed', 'The page belongs to another site and has no Origin header.');
  const detail =
    origin === 'null' ? 'The page is a file or a sandboxed frame.' : `allowedOrigins does not contain ${origin}.`;
  return new PolycastError('origin_not_allowed', detail);
}

interface RegisteredRoute {
  readonly handle: RequestHandler;
  readonly isPublic: boolean;
  /** Below `/v1/`, however the request spells the path. */
  readonly isApi: boolean;
  readonly name: string;
}

/** The route of refusals that no route made. */
const NO_ROUTE = 'none';
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;

function announcesBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** Refuses a request for the connection itself: an upgrade or `CONNECT`. */
function refuseConnectionRequest(request: IncomingMessage, stream: Duplex, error: PolycastError): void {
  withErrorListener(stream);
  // After an incomplete body Node passes a stream that is not the socket. Both are read and their
  // data discarded.
  stream.resume();
  request.resume();
  const socket = withErrorListener(request.socket);
  endWaitingWith(socket);
  refuseAfterPending(socket, error);
}

/** The path without its query, which may hold a token. */
function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?')[0] ?? '';
}
