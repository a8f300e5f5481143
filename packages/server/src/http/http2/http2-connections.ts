import { PolycastError } from '@polycast/protocol';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../../core/ports.ts';
import { ticksOf, type TimingWheel } from '../../core/primitives/timing-wheel.ts';
import { Http2Connection, type Http2Owner } from './http2-connection.ts';
import type { Exchange } from './http2-exchange.ts';
import type { ErrorSafe } from '../sockets/error-safe-socket.ts';
import { toPolycastError, respondProblem } from '../respond.ts';

interface Http2Parts {
  readonly wheel: TimingWheel;
  readonly logger: Pick<Logger, 'warn'>;
}

export interface Http2Settings {
  /** Open streams of one connection. */
  readonly streamsMax: number;
  /** Streams that a client may reset per second, and ten times as many at once. */
  readonly resetsPerSecondMax: number;
  /** Open streams of all connections. */
  readonly streamsTotalMax: number;
  readonly headerBytesMax: number;
  readonly idleMs: number;
}

/** Counts since the hub started. */
export interface Http2Stats {
  readonly connections: number;
  readonly streams: number;
  readonly floods: number;
}

const HEADER_FIELDS_MAX = 128;
const RESETS_BURST_SECONDS = 10;
/**
 * The memory of nghttp2 for one connection, in megabytes: headers and waiting frames. Waiting
 * events are not part of it.
 */
const SESSION_MEGABYTES_MAX = 2;
/** Invalid frames, and streams beyond the limit, after which a connection is closed. */
const INVALID_FRAMES_MAX = 100;
const REJECTED_STREAMS_MAX = 100;
const SETTINGS_ENTRIES_MAX = 32;
const OUTSTANDING_MAX = 10;

/**
 * The HTTP/2 connections (PROTOCOL.md section 13.8). Their streams are handled like requests of
 * HTTP/1.1.
 */
export class Http2Connections implements Http2Owner {
  readonly wheel: TimingWheel;
  readonly idleTicks: number;
  readonly sessionOptions: object;
  readonly #logger: Pick<Logger, 'warn'>;
  readonly #settings: Http2Settings;
  readonly #handle: (exchange: Exchange) => void;
  readonly #connections = new Set<Http2Connection>();
  #streams = 0;
  #floods = 0;
  #draining = false;

  constructor(parts: Http2Parts, settings: Http2Settings, serve: (exchange: Exchange) => void) {
    this.#logger = parts.logger;
    this.#settings = settings;
    this.#handle = serve;
    this.wheel = parts.wheel;
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

  /** Takes over a connection with the protocol `h2`. */
  add(socket: ErrorSafe<TLSSocket>): void {
    if (socket.destroyed) return;
    const connection = new Http2Connection(this, socket);
    this.#connections.add(connection);
    if (this.#draining) connection.goAway();
  }

  /** Open streams continue; clients have to open new ones on another connection. */
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
        throw new PolycastError('overloaded', 'The hub has reached its limit of streams.', { retryAfterMs: 5000 });
      const { headers } = exchange.request;
      this.#checkHeaderSize(exchange.request);
      if (headers.host === undefined) throw new PolycastError('invalid_header', 'The :authority is missing.');
      if (headers[':authority'] !== undefined && headers.host !== headers[':authority'])
        throw new PolycastError('invalid_header', 'Host differs from :authority.');
      if (exchange.request.method === 'CONNECT')
        throw new PolycastError('method_not_allowed', 'The hub is not a proxy.');
      if (headers.expect === '100-continue') exchange.response.writeContinue();
    } catch (error) {
      return respondProblem(exchange.response, toPolycastError(error));
    }
    this.#handle(exchange);
  }

  /**
   * Checks the size of the headers. The limit of the connection resets a stream without a response,
   * and holds only once the client knows it.
   */
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
    this.#logger.warn({ address }, 'http2: connection closed, it sent too many SETTINGS or PING frames');
  }
}
