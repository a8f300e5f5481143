import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { isAnswering, refuseInTurn, refuseUnreadable, refuseUpgrade, type ClientError } from './bare-refusal.ts';
import { ownText } from '../core/interest.ts';
import { channelRoutes } from './channel-routes.ts';
import { addressOf } from './client-address.ts';
import { authorize, consumerOf } from './consumer.ts';
import { checkStanding } from './permission.ts';
import { readEvents } from './events-route.ts';
import { EventsQueries } from './events-query.ts';
import { createHttpServer, divertHttp2 } from './http-server.ts';
import { Http2Connections } from './http2.ts';
import { KeepAlive, noteRequest, releaseKept, type KeptConnection } from './keep-alive.ts';
import { PUBLIC_CORS, type Origins } from './origin.ts';
import { own } from './owned-socket.ts';
import { checkHead } from './request-head.ts';
import { answererOf, routeName, type Answerer, type Route } from './route.ts';
import { asPolycastError, respondEmpty, respondProblem, setCors } from './respond.ts';
import { Router, type Match } from './router.ts';
import { SocketLimit } from './socket-limit.ts';
import { secure, strictTransport } from './security-headers.ts';
import type { Services } from './services.ts';
import { UnreadAnswers } from './unread-answers.ts';
import { endWaitingWith, noteWaiting } from './waiting-answers.ts';
import { openWebSocket, readHandshake } from './websocket.ts';

export interface HttpSettings {
  readonly headerBytesMax: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly connectionsMax: number;
  readonly answersBytesMax: number;
  readonly socketsPerAddressMax: number | null;
  readonly socketsPerPublicAddressMax: number | null;
  /** Requests that name another host than the loopback are refused. */
  readonly loopbackNamesOnly: boolean;
  /** The name that this hub has for others, which is answered as well. */
  readonly publicHost: string | undefined;
  readonly tls: TlsSettings | undefined;
  /** Of HTTP/2: open streams of one connection, and those that a client takes back, for each second. */
  readonly http2StreamsMax: number;
  readonly http2ResetsPerSecondMax: number;
}

export interface TlsSettings {
  readonly certificate: Buffer;
  readonly key: Buffer;
  readonly http2: boolean;
  /** How long browsers are told to come by TLS only, in seconds; 0: they are told nothing. */
  readonly hstsMaxAgeSeconds: number;
}

/** The HTTP side of the hub: which address is answered by whom, and what is refused before anyone is asked. */
export class HttpTransport {
  readonly server: Server;
  /** The connections over which HTTP/2 is spoken. */
  readonly http2: Http2Connections;
  /** What clients have asked for and do not take. */
  readonly unread: UnreadAnswers;
  /** All that is answered. */
  readonly routes: readonly Route[];
  readonly #services: Services;
  readonly #origins: Origins;
  readonly #queries: EventsQueries;
  readonly #router = new Router<StoredRoute>();
  #draining = false;
  /** Connections beyond the limit: their first request is told so, and they are closed. */
  readonly #refused = new WeakMap<Duplex, PolycastError>();
  #anyRefused = false;
  readonly #socketLimit: SocketLimit | undefined;
  /** How many there may be at most, by what the server said last. */
  #connectionsAtMost = 0;
  readonly #loopbackNamesOnly: boolean;
  /** The `Host` that was found to be one of them last: most requests name it again. */
  #lastOwnName: string | undefined;
  readonly #publicHost: string | undefined;
  readonly #strict: readonly string[];

  /** @param routes what is answered beside the transports' own: health, metrics, pages */
  constructor(services: Services, settings: HttpSettings, routes: readonly Route[]) {
    this.#services = services;
    this.#loopbackNamesOnly = settings.loopbackNamesOnly;
    this.#publicHost = settings.publicHost?.toLowerCase();
    this.#strict = strictTransport(settings.tls?.hstsMaxAgeSeconds ?? 0);
    this.#origins = services.origins;
    this.#queries = new EventsQueries(services.settings);
    this.routes = [...this.#ownRoutes(), ...routes];
    for (const route of this.routes) {
      const { path, isPublic = false } = route;
      const stored: StoredRoute = {
        answer: answererOf(services, route),
        isPublic,
        isApi: path.startsWith('/v1/'),
        name: routeName(route),
      };
      this.#router.add(route, stored);
    }
    this.unread = new UnreadAnswers(services, settings.answersBytesMax);
    this.server = createHttpServer(settings);
    this.server.maxConnections = settings.connectionsMax + REFUSED_CONNECTIONS_MAX;
    const { socketsPerAddressMax, socketsPerPublicAddressMax } = settings;
    const countMax = socketsPerAddressMax ?? socketsPerPublicAddressMax;
    if (countMax !== null) {
      const limit = new SocketLimit(countMax, services.proxies, socketsPerAddressMax === null);
      this.#socketLimit = limit;
      this.server.on('connection', (socket) => limit.add(socket));
    }
    const keepAlive = new KeepAlive(services.wheel, settings.keepAliveTimeoutMs);
    this.server.on(settings.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      keepAlive.watch(socket);
      this.#count(socket, settings.connectionsMax);
    });
    this.http2 = new Http2Connections(services, http2Settings(settings), ({ request, response }) =>
      this.#answer(request, response, undefined),
    );
    if (settings.tls?.http2 === true)
      divertHttp2(this.server, (socket) => {
        this.http2.add(socket);
        this.#count(socket, settings.connectionsMax);
      });
    this.server.on('request', (request, response) => this.#asked(request, response));
    this.server.on(
      'upgrade',
      (request: IncomingMessage, stream: Duplex, head: Buffer) => void this.#upgrade(request, stream, head),
    );
    this.server.on('connect', (request: IncomingMessage, stream: Duplex) =>
      refuseTakeover(request, stream, new PolycastError('method_not_allowed', 'This is no proxy.')),
    );
    // An expectation that we do not know may be passed over (RFC 9110 section 10.1.1).
    this.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
      this.#asked(request, response),
    );
    this.server.on('clientError', (error: ClientError, socket: Duplex) =>
      refuseUnreadable(error, own(socket as Socket), settings.headerBytesMax),
    );
    this.server.on('drop', () =>
      services.logger.warn(
        { limit: settings.connectionsMax },
        'a connection was refused: limits.connectionsMax is reached',
      ),
    );
  }

  /** From now on new publishes and new readers are sent elsewhere. */
  drain(): void {
    this.#draining = true;
    this.http2.drain();
  }

  /** Connections of addresses that had too many. */
  get socketsRefused(): number {
    return this.#socketLimit?.refused ?? 0;
  }

  #count(socket: Socket, connectionsMax: number): void {
    this.unread.of(socket);
    const refusal = this.#socketLimit?.refusalOf(socket);
    if (refusal !== undefined) return this.#refuse(socket, refusal);
    if (++this.#connectionsAtMost <= connectionsMax) return;
    this.#connectionsAtMost = 0;
    this.server.getConnections((_error, count) => {
      this.#connectionsAtMost += count;
      if (count > connectionsMax)
        this.#refuse(
          socket,
          new PolycastError('overloaded', 'The hub has as many connections as it may.', { retryAfterMs: 5000 }),
        );
    });
  }

  #refuse(socket: Socket, error: PolycastError): void {
    this.#refused.set(socket, error);
    this.#anyRefused = true;
  }

  /**
   * A page whose name was pointed at this machine (DNS rebinding) is of the same origin as the hub it then reaches: where whoever is on
   * this machine may do everything, only the names of the loopback are answered.
   */
  #refuseForeignName({ headers: { host } }: IncomingMessage): void {
    if (host === undefined || host === this.#lastOwnName) return;
    const isOwn = LOOPBACK_NAME.test(host) || host.toLowerCase().replace(/:\d+$/, '') === this.#publicHost;
    if (!isOwn) throw new PolycastError('host_not_allowed', `It does not answer as ${host.slice(0, 100)}.`);
    this.#lastOwnName = ownText(host);
  }

  #refuseIfTooMany({ socket }: IncomingMessage): void {
    const error = this.#refused.get(socket);
    if (error !== undefined) throw error;
  }

  #ownRoutes(): Route[] {
    const answer: Answerer = (request, response) => readEvents(this.#services, this.#queries, request, response);
    return [{ method: 'GET', path: '/v1/events', answer }, ...channelRoutes(this.#services)];
  }

  /** What comes over HTTP/1.1. */
  #asked(request: IncomingMessage, response: ServerResponse): void {
    noteWaiting(response);
    this.#answer(request, response, noteRequest(request.socket));
  }

  #answer(request: IncomingMessage, response: ServerResponse, connection: KeptConnection | undefined): void {
    try {
      if (this.#anyRefused) this.#refuseIfTooMany(request);
      checkHead(request);
      const { url = '/', method = 'GET', headers } = request;
      if (this.#loopbackNamesOnly) this.#refuseForeignName(request);
      if (headers.origin !== undefined || this.#origins.areSome || this.#strict.length > 0)
        setCors(response, [...this.#strict, ...this.#origins.headers(request)]);
      const isForeign =
        (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined) && !this.#origins.allows(request);
      // The address that is asked for most needs no search.
      if (method === 'GET' && url.startsWith('/v1/events?') && !this.#draining && !isForeign) {
        const reading = readEvents(this.#services, this.#queries, request, response, connection);
        if (reading !== undefined) reading.catch((error: unknown) => this.#failed(request, response, error));
        return;
      }
      const question = url.indexOf('?');
      const path = question < 0 ? url : url.slice(0, question);
      if (method !== 'POST' || !path.startsWith('/v1/')) secure(response, this.#strict);
      const found = method === 'OPTIONS' ? null : this.#router.find(method, path);
      if (isForeign) this.#refuseOrigin(request, response, found);
      if (method === 'OPTIONS') return this.#options(request, response, path);
      const query = question < 0 ? '' : url.slice(question + 1);
      if (found === null) return this.#notFound(response, path);
      const { answer, isApi } = found.stored;
      if (isApi) this.#refuseIfDraining();
      const answered = answer(request, response, found.params, query);
      if (answered instanceof Promise) answered.catch((error: unknown) => this.#failed(request, response, error));
    } catch (error) {
      this.#failed(request, response, error);
    }
  }

  /**
   * Every request of a page that is not allowed, whatever it asks, ends here, before anyone is asked who sends it. So its browser may be
   * told that it may ask, and the page may read why it is refused (docs/decisions/0030-refused-origins.md).
   */
  #refuseOrigin(request: IncomingMessage, response: ServerResponse, found: Match<StoredRoute> | null): void {
    if (found?.stored.isPublic === true) return setCors(response, PUBLIC_CORS);
    setCors(response, [...this.#strict, ...this.#origins.refusal(request)]);
    if (request.method !== 'OPTIONS') throw originNotAllowed(request);
  }

  #refuseIfDraining(): void {
    if (this.#draining) throw new PolycastError('draining', undefined, { retryAfterMs: 1000 });
  }

  #options(request: IncomingMessage, response: ServerResponse, path: string): void {
    const methods = this.#router.allowed(path);
    if (methods === '') return this.#notFound(response, path);
    respondEmpty(response, 204, ['Allow', methods, ...this.#origins.preflight(request, methods)]);
  }

  #notFound(response: ServerResponse, path: string): void {
    const methods = this.#router.allowed(path);
    const isNothing = methods === '';
    const error = isNothing
      ? new PolycastError('not_found')
      : new PolycastError('method_not_allowed', `Allowed: ${methods}.`);
    this.#noteRefusal(response.req, error, NO_ROUTE);
    respondProblem(response, error, isNothing ? [] : ['Allow', methods]);
  }

  #noteRefusal(request: IncomingMessage, error: PolycastError, route: string): void {
    const { origin, host } = request.headers;
    this.#services.refusals.record(error, { route, address: addressOf(this.#services, request), origin, host });
  }

  /** What a request is counted as; looked up only when it is refused. */
  #routeOf(request: IncomingMessage): string {
    const found = this.#router.find(request.method ?? 'GET', pathOf(request));
    return found === null ? NO_ROUTE : found.stored.name;
  }

  #failed(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const known = asPolycastError(error);
    if (known.code === 'internal_error')
      this.#services.logger.error({ error, path: pathOf(request) }, 'a request failed');
    this.#noteRefusal(request, known, this.#routeOf(request));
    if (response.destroyed) return;
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // What is left of a body that was not read is not waited for.
    const isUnread = request.httpVersionMajor === 1 && !request.complete && hasBody(request);
    if (isUnread || this.#refused.has(request.socket)) response.shouldKeepAlive = false;
    respondProblem(response, known);
    if (isUnread) request.resume();
  }

  async #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> {
    const socket = own(request.socket);
    if (isAnswering(socket)) return refuseTakeover(request, stream, new PolycastError('pipelined_request'));
    // Behind half a body Node gives something that is no socket.
    if (stream !== socket || hasBody(request))
      return refuseTakeover(request, stream, new PolycastError('invalid_request', 'An upgrade has no body.'));
    releaseKept(socket);
    try {
      if (this.#anyRefused) this.#refuseIfTooMany(request);
      checkHead(request);
      const { url = '/' } = request;
      const question = url.indexOf('?');
      if ((question < 0 ? url : url.slice(0, question)) !== '/v1/events') throw new PolycastError('not_found');
      this.#refuseIfDraining();
      if (this.#loopbackNamesOnly) this.#refuseForeignName(request);
      if (!this.#origins.allows(request)) throw originNotAllowed(request);
      const handshake = readHandshake(request);
      const query = this.#queries.read(url);
      const principal = authorize(this.#services, request, query);
      const consumer = consumerOf(
        this.#services,
        request,
        query,
        principal instanceof Promise ? await principal : principal,
      );
      const known = consumer instanceof Promise ? await consumer : consumer;
      if (socket.destroyed) return;
      checkStanding(this.#services, known.principal);
      this.#services.admission.admit(known.principal, known.address);
      this.#services.presence.checkRoom(known.principal, known.interest.patterns);
      openWebSocket(this.#services, socket, head, handshake, known, query.types);
    } catch (error) {
      const known = asPolycastError(error);
      if (known.code === 'internal_error')
        this.#services.logger.error({ error, path: pathOf(request) }, 'an upgrade failed');
      this.#noteRefusal(request, known, 'WebSocket');
      refuseUpgrade(socket, known);
    }
  }
}

/** How many more are let in than the limit says, to be told; those beyond are closed without a word. */
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
    return new PolycastError('origin_not_allowed', 'A page of another site, which does not say of which.');
  const detail = origin === 'null' ? 'A file, or a sandboxed frame.' : `allowedOrigins does not list ${origin}.`;
  return new PolycastError('origin_not_allowed', detail);
}

interface StoredRoute {
  readonly answer: Answerer;
  readonly isPublic: boolean;
  /** Below `/v1/`, however a request may spell that. */
  readonly isApi: boolean;
  readonly name: string;
}

/** What is refused before, or without, a route of the hub's. */
const NO_ROUTE = 'none';
const LOOPBACK_NAME = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** Refuses a request for the connection itself: an upgrade or `CONNECT`. */
function refuseTakeover(request: IncomingMessage, stream: Duplex, error: PolycastError): void {
  own(stream);
  // Behind half a body, which is still to come, Node gives something that is no socket: nobody reads either.
  stream.resume();
  request.resume();
  const socket = own(request.socket);
  endWaitingWith(socket);
  refuseInTurn(socket, error);
}

/** Without its query, which may hold a token. */
function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?')[0] ?? '';
}
