import { PolycastError } from '@polycast/protocol';
import findMyWay from 'find-my-way';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { refuseUnreadable, refuseUpgrade, type ClientError } from './bare-refusal.ts';
import { readChannel, readHistory } from './channels-route.ts';
import { authorize, consumerOf } from './consumer.ts';
import { checkStanding } from './permission.ts';
import { readEvents } from './events-route.ts';
import { EventsQueries } from './events-query.ts';
import { createHttpServer, divertHttp2 } from './http-server.ts';
import { Http2Connections } from './http2.ts';
import { KeepAlive, noteRequest, releaseKept, type KeptConnection } from './keep-alive.ts';
import type { Origins } from './origin.ts';
import { readPresence } from './presence-route.ts';
import { publishData, publishEvents } from './publish-route.ts';
import { asPolycastError, respondEmpty, respondProblem, setCors } from './respond.ts';
import { SocketLimit } from './socket-limit.ts';
import { secure, strictTransport } from './security-headers.ts';
import type { Services } from './services.ts';
import { publishToUser, publishToUsers } from './users-publish.ts';
import { openWebSocket, readHandshake } from './websocket.ts';

export interface HttpSettings {
  readonly headerBytesMax: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly connectionsMax: number;
  readonly socketsPerAddressMax: number | null;
  /** Requests that name another host than the loopback are refused. */
  readonly loopbackNamesOnly: boolean;
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

/** One of the addresses that are answered. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly handle: Handler;
}

export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  parameters: Readonly<Record<string, string | undefined>>,
  query: string,
) => void | Promise<void>;

/** The HTTP side of the hub: which address is answered by whom, and what is refused before anyone is asked. */
export class HttpTransport {
  readonly server: Server;
  /** The connections over which HTTP/2 is spoken. */
  readonly http2: Http2Connections;
  /** All that is answered. */
  readonly routes: readonly Route[];
  readonly #services: Services;
  readonly #origins: Origins;
  readonly #queries: EventsQueries;
  readonly #router = findMyWay({ maxParamLength: 1024 });
  readonly #found = new Map<string, Found>();
  #draining = false;
  /** Connections beyond the limit: their first request is told so, and they are closed. */
  readonly #refused = new WeakMap<Duplex, PolycastError>();
  #anyRefused = false;
  readonly #socketLimit: SocketLimit | undefined;
  /** How many there may be at most, by what the server said last. */
  #connectionsAtMost = 0;
  readonly #loopbackNamesOnly: boolean;
  readonly #strict: readonly string[];

  /** @param routes what is answered beside the transports' own: health, metrics, pages */
  constructor(services: Services, settings: HttpSettings, routes: readonly Route[]) {
    this.#services = services;
    this.#loopbackNamesOnly = settings.loopbackNamesOnly;
    this.#strict = strictTransport(settings.tls?.hstsMaxAgeSeconds ?? 0);
    this.#origins = services.origins;
    this.#queries = new EventsQueries(services.settings);
    this.routes = [...this.#ownRoutes(), ...routes];
    for (const { method, path, handle } of this.routes) this.#router.on(method, path, NEVER, { handle });
    this.server = createHttpServer(settings);
    this.server.maxConnections = settings.connectionsMax + REFUSED_CONNECTIONS_MAX;
    const { socketsPerAddressMax } = settings;
    if (socketsPerAddressMax !== null) {
      const limit = new SocketLimit(socketsPerAddressMax, services.proxies);
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
    this.server.on('request', (request, response) => this.#answer(request, response, noteRequest(request.socket)));
    this.server.on(
      'upgrade',
      (request: IncomingMessage, socket: Duplex, head: Buffer) => void this.#upgrade(request, socket as Socket, head),
    );
    this.server.on('connect', (_request: IncomingMessage, socket: Duplex) =>
      refuseUpgrade(socket, new PolycastError('method_not_allowed', 'This is no proxy.')),
    );
    // An expectation that we do not know may be passed over (RFC 9110 section 10.1.1).
    this.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
      this.#answer(request, response, noteRequest(request.socket)),
    );
    this.server.on('clientError', (error: ClientError, socket: Duplex) =>
      refuseUnreadable(error, socket, settings.headerBytesMax),
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
   * A page whose name was pointed at this machine (DNS rebinding) is of the same origin as the hub it then reaches: on a
   * developer's machine, where pages of all the world are open, only the names of the loopback are answered.
   */
  #refuseForeignName({ headers: { host } }: IncomingMessage): void {
    if (host !== undefined && !LOOPBACK_NAME.test(host)) throw new PolycastError('host_not_allowed');
  }

  #refuseIfTooMany({ socket }: IncomingMessage): void {
    const error = this.#refused.get(socket);
    if (error !== undefined) throw error;
  }

  #ownRoutes(): Route[] {
    const services = this.#services;
    return [
      {
        method: 'GET',
        path: '/v1/events',
        handle: (request, response) => readEvents(services, this.#queries, request, response),
      },
      { method: 'POST', path: '/v1/events', handle: (request, response) => publishEvents(services, request, response) },
      {
        method: 'POST',
        path: '/v1/channels/:channel/events',
        handle: (request, response, { channel = '' }) => publishData(services, request, response, channel),
      },
      {
        method: 'GET',
        path: '/v1/channels/:channel',
        handle: (request, response, { channel = '' }, query) =>
          readChannel(services, request, response, channel, query),
      },
      {
        method: 'GET',
        path: '/v1/channels/:channel/history',
        handle: (request, response, { channel = '' }, query) =>
          readHistory(services, request, response, channel, query),
      },
      {
        method: 'GET',
        path: '/v1/channels/:channel/presence',
        handle: (request, response, { channel = '' }, query) =>
          readPresence(services, request, response, channel, query),
      },
      {
        method: 'POST',
        path: '/v1/users/:user/events',
        handle: (request, response, { user = '' }) => publishToUser(services, request, response, user),
      },
      {
        method: 'POST',
        path: '/v1/users/events',
        handle: (request, response) => publishToUsers(services, request, response),
      },
    ];
  }

  #answer(request: IncomingMessage, response: ServerResponse, connection: KeptConnection | undefined): void {
    try {
      if (this.#anyRefused) this.#refuseIfTooMany(request);
      const { url = '/', method = 'GET', headers } = request;
      if (headers.host === undefined && request.httpVersionMinor > 0)
        throw new PolycastError('invalid_header', 'Host is missing.');
      if (this.#loopbackNamesOnly) this.#refuseForeignName(request);
      if (headers.origin !== undefined || this.#origins.areSome || this.#strict.length > 0)
        setCors(response, [...this.#strict, ...this.#origins.headers(request)]);
      // The address that is asked for most needs no search.
      if (method === 'GET' && url.startsWith('/v1/events?') && !this.#draining) {
        const reading = readEvents(this.#services, this.#queries, request, response, connection);
        if (reading !== undefined) reading.catch((error: unknown) => this.#failed(request, response, error));
        return;
      }
      const question = url.indexOf('?');
      const path = question < 0 ? url : url.slice(0, question);
      if (method !== 'POST' || !path.startsWith('/v1/')) secure(response, this.#strict);
      if (method === 'OPTIONS') return this.#options(request, response, path);
      const query = question < 0 ? '' : url.slice(question + 1);
      const found = this.#find(method, path);
      if (found === null) return this.#notFound(response, path);
      if (path.startsWith('/v1/')) this.#refuseIfDraining();
      if (method !== 'GET' && method !== 'HEAD' && !this.#origins.allows(request))
        throw new PolycastError('origin_not_allowed');
      const { handle } = found.store as { handle: Handler };
      const answered = handle(request, response, found.params, query);
      if (answered instanceof Promise) answered.catch((error: unknown) => this.#failed(request, response, error));
    } catch (error) {
      this.#failed(request, response, error);
    }
  }

  /** The router's answer; those for publishing, where the same few paths come again and again, are remembered. */
  #find(method: string, path: string): Found | null {
    if (method !== 'POST') return this.#router.find(method === 'HEAD' ? 'GET' : (method as 'GET'), path);
    const known = this.#found.get(path);
    if (known !== undefined) return known;
    const found = this.#router.find('POST', path);
    if (found === null) return null;
    if (this.#found.size >= FOUND_MAX) this.#found.clear();
    this.#found.set(path, found);
    return found;
  }

  #refuseIfDraining(): void {
    if (this.#draining) throw new PolycastError('draining', undefined, { retryAfterMs: 1000 });
  }

  #options(request: IncomingMessage, response: ServerResponse, path: string): void {
    const methods = this.#methodsOf(path);
    if (methods === '') return this.#notFound(response, path);
    respondEmpty(response, 204, ['Allow', methods, ...this.#origins.preflight(request, methods)]);
  }

  #notFound(response: ServerResponse, path: string): void {
    const methods = this.#methodsOf(path);
    if (methods === '') return respondProblem(response, new PolycastError('not_found'));
    respondProblem(response, new PolycastError('method_not_allowed', `Allowed: ${methods}.`), ['Allow', methods]);
  }

  #methodsOf(path: string): string {
    const methods: string[] = [];
    if (this.#router.find('GET', path) !== null) methods.push('GET', 'HEAD');
    for (const method of ['POST', 'PATCH', 'DELETE'] as const)
      if (this.#router.find(method, path) !== null) methods.push(method);
    return methods.length === 0 ? '' : [...methods, 'OPTIONS'].join(', ');
  }

  #failed(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const known = asPolycastError(error);
    if (known.code === 'internal_error')
      this.#services.logger.error({ error, path: pathOf(request) }, 'a request failed');
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

  async #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    releaseKept(socket);
    // A socket that breaks before it has its session has nobody else to tell.
    socket.on('error', destroyQuietly);
    try {
      if (this.#anyRefused) this.#refuseIfTooMany(request);
      const { url = '/' } = request;
      const question = url.indexOf('?');
      if ((question < 0 ? url : url.slice(0, question)) !== '/v1/events') throw new PolycastError('not_found');
      this.#refuseIfDraining();
      if (this.#loopbackNamesOnly) this.#refuseForeignName(request);
      if (!this.#origins.allows(request)) throw new PolycastError('origin_not_allowed');
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
      socket.off('error', destroyQuietly);
      openWebSocket(this.#services, socket, head, handshake, known, query.types);
    } catch (error) {
      const known = asPolycastError(error);
      if (known.code === 'internal_error')
        this.#services.logger.error({ error, path: pathOf(request) }, 'an upgrade failed');
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

type Found = NonNullable<ReturnType<ReturnType<typeof findMyWay>['find']>>;

const FOUND_MAX = 10_000;
const LOOPBACK_NAME = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;

/** `find-my-way` asks for a handler; the routes' own are in its store. */
const NEVER = (): void => undefined;

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

function destroyQuietly(this: Socket): void {
  this.destroy();
}

/** Without its query, which may hold a token. */
function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?')[0] ?? '';
}
