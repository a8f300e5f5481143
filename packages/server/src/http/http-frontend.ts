import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import type { Logger } from '../core/ports.ts';
import {
  hasPendingResponse,
  refuseAfterPending,
  refuseMalformed,
  writeRefusal,
  type ClientError,
} from './sockets/raw-refusal.ts';
import { clientAddress } from './client-address.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { HostCheck } from './host-check.ts';
import { createHttpServer, routeHttp2 } from './http-server.ts';
import { http2Settings, type HttpSettings } from './http-settings.ts';
import type { Http2Connections, Http2Settings } from './http2/http2-connections.ts';
import { IdleConnections, markUsed, stopTracking, type IdleTracker } from './sockets/idle-connections.ts';
import { PUBLIC_CORS, type OriginPolicy } from './origin/origin-policy.ts';
import { draining, originNotAllowed } from './refusals.ts';
import { closeAfter, isClosing } from './sockets/closing-connections.ts';
import { withErrorListener, type ErrorSafe } from './sockets/error-safe-socket.ts';
import { PathAdvice } from './path-advice.ts';
import { checkRequestHead } from './request-head.ts';
import { routeName, type RequestHandler, type UnauthorizedRoute } from './route.ts';
import { setCommonHeaders } from './headers/common-headers.ts';
import { toPolycastError, respondEmpty, respondProblem } from './respond.ts';
import { Router, type RouteMatch } from './router.ts';
import { setSecurityHeaders, createStrictTransportHeader } from './security-headers.ts';
import { UnlistedConnections } from './sockets/unlisted-connections.ts';
import { UnreadResponses, type UnreadResponsesParts } from './sockets/unread-responses.ts';
import { endWaitingWith, noteWaiting } from './sockets/waiting-responses.ts';

/** The parts that the HTTP side uses. */
export interface FrontendParts extends UnreadResponsesParts {
  readonly originPolicy: OriginPolicy;
  readonly refusalLog: RefusalRecorder;
  readonly logger: Logger;
}

/** Records refused requests. */
interface RefusalRecorder {
  record(error: PolycastError, context: RefusedRequest): void;
}

interface RefusedRequest {
  readonly route: string;
  readonly address: string;
  readonly origin: string | undefined;
  readonly host: string | undefined;
}

/** The handlers to which the HTTP side passes requests. */
export interface RequestHandlers {
  readonly routes: readonly UnauthorizedRoute[];
  /** Answers `GET /v1/events?…`. The most frequent address skips the router. */
  readonly readEvents: (
    request: IncomingMessage,
    response: ServerResponse,
    connection: IdleTracker | undefined,
  ) => void | Promise<void>;
  /** Answers an upgrade of `/v1/events`. */
  readonly upgrade: (request: IncomingMessage, socket: ErrorSafe, head: Buffer) => Promise<void>;
}

/**
 * The HTTP side of the hub. It routes requests, and refuses invalid ones before it identifies the
 * caller.
 */
export class HttpFrontend {
  readonly server: Server;
  /** The connections that use HTTP/2; `undefined` if none may. */
  readonly http2: Http2Connections | undefined;
  /** Responses that clients have not read yet. */
  readonly unreadResponses: UnreadResponses;
  readonly #parts: FrontendParts;
  readonly #settings: HttpSettings;
  readonly #handlers: RequestHandlers;
  readonly #origins: OriginPolicy;
  readonly #router = new Router<RegisteredRoute>();
  readonly #pathAdvice = new PathAdvice();
  #draining = false;
  readonly #connectionLimit: ConnectionLimit;
  readonly #hostCheck: HostCheck;
  readonly #strictTransportHeader: readonly string[];
  readonly #http2Settings: Http2Settings;
  readonly #unlisted: UnlistedConnections;

  constructor(parts: FrontendParts, settings: HttpSettings, handlers: RequestHandlers) {
    this.#parts = parts;
    this.#settings = { ...settings };
    this.#handlers = handlers;
    this.#strictTransportHeader = createStrictTransportHeader(settings.tls?.hstsMaxAgeSeconds ?? 0);
    this.#origins = parts.originPolicy;
    this.#hostCheck = new HostCheck(settings);
    for (const route of handlers.routes) {
      const { path, isPublic = false } = route;
      const stored: RegisteredRoute = {
        handle: route.answer,
        isPublic,
        isApi: path.startsWith('/v1/'),
        name: routeName(route),
        otherwise: route.otherwise,
      };
      this.#router.add(route, stored);
      if (route.description !== undefined) this.#pathAdvice.add(path);
    }
    this.unreadResponses = new UnreadResponses(parts, settings.answersBytesMax);
    this.server = createHttpServer(settings);
    this.#unlisted = new UnlistedConnections(this.server, settings.tls !== undefined);
    this.#connectionLimit = new ConnectionLimit(this.server, parts.trustedProxies, settings);
    const keepAlive = new IdleConnections(parts.wheel, settings.keepAliveTimeoutMs);
    this.server.on(settings.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      keepAlive.track(socket);
      this.#addConnection(socket);
    });
    this.#http2Settings = http2Settings(settings);
    this.http2 = this.#acceptHttp2(settings.tls?.http2Connections);
    this.server.on('request', (request, response) => this.#asked(request, response));
    this.server.on(
      'upgrade',
      (request: IncomingMessage, stream: Duplex, head: Buffer) => void this.#handleUpgrade(request, stream, head),
    );
    this.server.on('connect', (request: IncomingMessage, stream: Duplex) => {
      this.#unlisted.add(request.socket);
      refuseConnectionRequest(request, stream, new PolycastError('method_not_allowed', 'The hub is not a proxy.'));
    });
    // A server may ignore an unknown expectation (RFC 9110 section 10.1.1).
    this.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
      this.#asked(request, response),
    );
    this.server.on('clientError', (error: ClientError, socket: Duplex) =>
      refuseMalformed(error, withErrorListener(socket as Socket), settings.headerBytesMax),
    );
    this.server.on('drop', () =>
      parts.logger.warn(
        { limit: this.#settings.connectionsMax },
        'http: connection refused, limits.connectionsMax is reached',
      ),
    );
  }

  /** The next connection and response obey these limits. */
  setLimits(limits: LiveHttpLimits): void {
    Object.assign(this.#settings, limits);
    this.unreadResponses.bytesMax = limits.answersBytesMax;
    this.#connectionLimit.setLimits(this.#settings);
    Object.assign(this.#http2Settings, http2Settings(this.#settings));
  }

  /** Refuses new publishes and new readers from now on. */
  drain(): void {
    this.#draining = true;
    this.http2?.drain();
  }

  #acceptHttp2(Connections: typeof Http2Connections | undefined): Http2Connections | undefined {
    if (Connections === undefined) return undefined;
    const connections = new Connections(this.#parts, this.#http2Settings, ({ request, response }) =>
      this.#handleRequest(request, response, undefined),
    );
    routeHttp2(this.server, (socket) => {
      connections.add(socket);
      this.#addConnection(socket);
    });
    return connections;
  }

  /** Ends all connections. Those of streams have ended with their sessions. */
  destroyConnections(): void {
    this.server.closeAllConnections();
    this.http2?.destroy();
    this.#unlisted.destroy();
  }

  /** The number of open TCP connections. */
  countConnections(): Promise<number> {
    return this.#connectionLimit.countOpen();
  }

  /** Refused connections of addresses with too many. */
  get socketsRefused(): number {
    return this.#connectionLimit.socketsRefused;
  }

  #addConnection(socket: Socket): void {
    this.unreadResponses.watch(socket);
    this.#connectionLimit.count(socket);
  }

  /** Answers a request that another process of the hub has forwarded. */
  readonly answerForwarded = (request: IncomingMessage, response: ServerResponse): void =>
    this.#handleRequest(request, response, undefined);

  /** Handles a request of HTTP/1.1. */
  #asked(request: IncomingMessage, response: ServerResponse): void {
    if (isClosing(request.socket)) return;
    noteWaiting(response);
    this.#handleRequest(request, response, markUsed(request.socket));
  }

  #handleRequest(request: IncomingMessage, response: ServerResponse, connection: IdleTracker | undefined): void {
    try {
      this.#connectionLimit.check(request);
      checkRequestHead(request);
      const { url = '/', method = 'GET', headers } = request;
      this.#hostCheck.check(request);
      if (headers.origin !== undefined || this.#origins.allowsCrossOrigin || this.#strictTransportHeader.length > 0)
        setCommonHeaders(response, [...this.#strictTransportHeader, ...this.#origins.corsHeaders(request)]);
      const isForbiddenOrigin =
        (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined) && !this.#origins.allows(request);
      // The most frequent address skips the router.
      if (method === 'GET' && url.startsWith('/v1/events?') && !this.#draining && !isForbiddenOrigin) {
        const reading = this.#handlers.readEvents(request, response, connection);
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
    if (request.method !== 'OPTIONS') throw originNotAllowed(request.headers.origin);
  }

  #checkDraining(): void {
    if (this.#draining) throw draining();
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
      ? new PolycastError('not_found', this.#pathAdvice.textFor(path))
      : new PolycastError('method_not_allowed', `Allowed: ${methods}.${this.#otherwiseText(path)}`);
    this.#recordRefusal(response.req, error, NO_ROUTE);
    respondProblem(response, error, isUnknownPath ? [] : ['Allow', methods]);
  }

  /** How to do what a caller may want that uses the wrong method. */
  #otherwiseText(path: string): string {
    for (const { route, params } of this.#router.findAll(path)) {
      const { otherwise } = route;
      if (otherwise !== undefined)
        return (
          ' ' + otherwise.replace(/\{(\w+)\}/g, (template, name: string) => parameterText(params[name]) ?? template)
        );
    }
    return '';
  }

  #recordRefusal(request: IncomingMessage, error: PolycastError, route: string): void {
    const { origin, host } = request.headers;
    this.#parts.refusalLog.record(error, { route, address: clientAddress(this.#parts, request), origin, host });
  }

  /** The route that a refusal is counted under; found only for a refusal. */
  #matchedRouteName(request: IncomingMessage): string {
    const found = this.#router.find(request.method ?? 'GET', pathOf(request));
    return found === null ? NO_ROUTE : found.route.name;
  }

  #handleError(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const known = toPolycastError(error);
    if (known.code === 'internal_error')
      this.#parts.logger.error({ error, path: pathOf(request) }, 'http: request failed');
    this.#recordRefusal(request, known, this.#matchedRouteName(request));
    if (response.destroyed) return;
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // The rest of an unread body is discarded without a wait.
    const isUnread = request.httpVersionMajor === 1 && !request.complete && announcesBody(request);
    if (isUnread || this.#connectionLimit.isRefused(request.socket)) closeAfter(response);
    respondProblem(response, known);
    if (isUnread) request.resume();
  }

  async #handleUpgrade(request: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> {
    const socket = withErrorListener(request.socket);
    this.#unlisted.add(socket);
    if (hasPendingResponse(socket))
      return refuseConnectionRequest(request, stream, new PolycastError('pipelined_request'));
    if (isClosing(socket)) return;
    // After an incomplete body Node passes a stream that is not the socket.
    if (stream !== socket || announcesBody(request))
      return refuseConnectionRequest(
        request,
        stream,
        new PolycastError('invalid_request', 'An upgrade must not have a body.'),
      );
    stopTracking(socket);
    try {
      this.#connectionLimit.check(request);
      checkRequestHead(request);
      const { url = '/' } = request;
      const question = url.indexOf('?');
      if ((question < 0 ? url : url.slice(0, question)) !== '/v1/events')
        throw new PolycastError('not_found', 'A WebSocket connects to /v1/events.');
      this.#checkDraining();
      this.#hostCheck.check(request);
      if (!this.#origins.allows(request)) throw originNotAllowed(request.headers.origin);
      await this.#handlers.upgrade(request, socket, head);
      this.#unlisted.remove(socket);
    } catch (error) {
      const known = toPolycastError(error);
      if (known.code === 'internal_error')
        this.#parts.logger.error({ error, path: pathOf(request) }, 'http: upgrade failed');
      this.#recordRefusal(request, known, 'WebSocket');
      writeRefusal(socket, known);
    }
  }
}

/** The limits that can change while the hub runs. */
export type LiveHttpLimits = Pick<
  HttpSettings,
  'connectionsMax' | 'answersBytesMax' | 'socketsPerAddressMax' | 'connectionsPerPublicAddressMax'
>;

interface RegisteredRoute {
  readonly handle: RequestHandler;
  readonly isPublic: boolean;
  /** Below `/v1/`, however the request spells the path. */
  readonly isApi: boolean;
  readonly name: string;
  readonly otherwise: string | undefined;
}

const PARAMETER_LENGTH_MAX = 128;

/** A parameter of a path as a text shows it; `undefined` if it is too long for that. */
function parameterText(value: string | undefined): string | undefined {
  return value === undefined || value.length > PARAMETER_LENGTH_MAX ? undefined : encodeURIComponent(value);
}

/** The route of refusals that no route made. */
const NO_ROUTE = 'none';

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
