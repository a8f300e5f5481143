import { PolycastError } from '@polycast/protocol';
import type { TLSSocket } from 'node:tls';
import { ticksOf } from '../../core/primitives/timing-wheel.ts';
import { Http2Connection, type Http2Owner } from './http2-connection.ts';
import type { Exchange } from './http2-exchange.ts';
import type { ErrorSafe } from '../sockets/error-safe-socket.ts';
import { toPolycastError, respondProblem } from '../respond.ts';
import type { Services } from '../services.ts';

export interface Http2Settings {
  /** Open streams of one connection. */
  readonly streamsMax: number;
  /** Streams that a client may take back: so many a second, and ten times as many at once. */
  readonly resetsPerSecondMax: number;
  /** Open streams of all connections. */
  readonly streamsTotalMax: number;
  readonly headerBytesMax: number;
  readonly idleMs: number;
}

/** What was counted since the hub began. */
export interface Http2Stats {
  readonly connections: number;
  readonly streams: number;
  readonly floods: number;
}

const HEADER_FIELDS_MAX = 128;
const RESETS_BURST_SECONDS = 10;
/** What nghttp2 holds for one connection, in megabytes: headers and frames that wait. Events that wait are not its own. */
const SESSION_MEGABYTES_MAX = 2;
/** Frames that are wrong in themselves, and streams opened beyond the limit, until a connection is closed. */
const INVALID_FRAMES_MAX = 100;
const REJECTED_STREAMS_MAX = 100;
const SETTINGS_ENTRIES_MAX = 32;
const OUTSTANDING_MAX = 10;

/** The connections that speak HTTP/2 (PROTOCOL.md section 13.8): their streams are answered as requests of HTTP/1.1 are. */
export class Http2Connections implements Http2Owner {
  readonly wheel: Services['wheel'];
  readonly idleTicks: number;
  readonly sessionOptions: object;
  readonly #services: Services;
  readonly #settings: Http2Settings;
  readonly #handle: (exchange: Exchange) => void;
  readonly #connections = new Set<Http2Connection>();
  #streams = 0;
  #floods = 0;
  #draining = false;

  constructor(services: Services, settings: Http2Settings, serve: (exchange: Exchange) => void) {
    this.#services = services;
    this.#settings = settings;
    this.#handle = serve;
    this.wheel = services.wheel;
    this.idleTicks = ticksOf(settings.idleMs);
    this.sessionOptions = {
      settings: {
        maxConcurrentStreams: settings.streamsMax,
        maxHeaderListSize: settings.headerBytesMax,
        enablePush: false,
      },
      maxHeaderListPairs: HEADER_FIELDS_MAX,
      maxSessionMemory: SESSION_MEGABYTES_MAX,
      maxSessionInvalidFrames: INVALID_FRAMES_MAX,
      maxSessionRejectedStreams: REJECTED_STREAMS_MAX,
      maxSettings: SETTINGS_ENTRIES_MAX,
      maxOutstandingPings: OUTSTANDING_MAX,
      maxOutstandingSettings: OUTSTANDING_MAX,
      streamResetRate: settings.resetsPerSecondMax,
      streamResetBurst: settings.resetsPerSecondMax * RESETS_BURST_SECONDS,
    };
  }

  get stats(): Http2Stats {
    return { connections: this.#connections.size, streams: this.#streams, floods: this.#floods };
  }

  /** Takes over a connection whose client chose `h2`. */
  add(socket: ErrorSafe<TLSSocket>): void {
    if (socket.destroyed) return;
    const connection = new Http2Connection(this, socket);
    this.#connections.add(connection);
    if (this.#draining) connection.goAway();
  }

  /** Streams that are open go on; for others clients have to look elsewhere. */
  drain(): void {
    this.#draining = true;
    for (const connection of this.#connections) connection.goAway();
  }

  destroy(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  onStreamOpen(): void {
    this.#streams++;
  }

  onStreamClose(): void {
    this.#streams--;
  }

  onStream(exchange: Exchange): void {
    try {
      if (this.#streams > this.#settings.streamsTotalMax)
        throw new PolycastError('overloaded', 'The hub has as many streams as it may.', { retryAfterMs: 5000 });
      const { headers } = exchange.request;
      this.#checkHeaderSize(exchange.request);
      if (headers.host === undefined) throw new PolycastError('invalid_header', 'The authority is missing.');
      if (headers[':authority'] !== undefined && headers.host !== headers[':authority'])
        throw new PolycastError('invalid_header', 'Host is not the authority.');
      if (exchange.request.method === 'CONNECT') throw new PolycastError('method_not_allowed', 'This is no proxy.');
      if (headers.expect === '100-continue') exchange.response.writeContinue();
    } catch (error) {
      return respondProblem(exchange.response, toPolycastError(error));
    }
    this.#handle(exchange);
  }

  /** The connection's own limit, which takes its stream back without a word, holds only once the client knows of it. */
  #checkHeaderSize({ rawHeaders, url = '' }: Exchange['request']): void {
    const { headerBytesMax } = this.#settings;
    if (url.length > headerBytesMax) throw new PolycastError('uri_too_long');
    let bytes = 0;
    for (const text of rawHeaders) bytes += text.length;
    if (bytes > headerBytesMax) throw new PolycastError('headers_too_large');
  }

  onClose(connection: Http2Connection): void {
    this.#connections.delete(connection);
  }

  onFlood(address: string | undefined): void {
    this.#floods++;
    this.#services.logger.warn({ address }, 'a connection was closed: it sent too many settings or pings');
  }
}
