import type { Client, Dispatcher } from 'undici';
import type { RecordedResponse, Timing } from '../subscriptions/state/ports.ts';
import type { SendRequest, SendResult } from '../subscriptions/state/sender.ts';
import type { WheelTimer } from '../core/primitives/timing-wheel.ts';
import type { FairQueue } from '../core/primitives/fair-queue.ts';
import type { EstablishedConnection } from './connector.ts';
import { exchangeFailure, OutgoingError } from './outgoing-error.ts';

/** The destination of a request, parsed once for each URL. */
export interface Target {
  readonly url: string;
  readonly origin: string;
  readonly host: string;
  readonly path: string;
}

/** A host and port, with its connections and the exchanges that wait for one. */
export interface Host {
  readonly origin: string;
  /** Idle connections. The one that was used last comes last. */
  readonly idle: Connection[];
  readonly waiting: FairQueue<Exchange>;
  count: number;
}

/** An undici client with one connection. It reconnects after the peer closed the connection. */
export interface Connection {
  readonly host: Host;
  client: Client;
  exchange: Exchange | undefined;
  /** Whether the connection has carried an exchange. */
  isUsed: boolean;
  isPrivateAddress: boolean;
  /** The links of `IdleConnections`, which alone writes these three. */
  isIdle: boolean;
  olderIdle: Connection | undefined;
  newerIdle: Connection | undefined;
}

/** Callbacks of an exchange. */
export interface ExchangeEvents {
  /** Called once, as soon as the outcome is known. */
  onSettled(exchange: Exchange, sent: SendResult): void;
  /**
   * Called once, when the exchange no longer uses its connection. `isReusable`: the connection may
   * carry another exchange.
   */
  onReleased(exchange: Exchange, isReusable: boolean): void;
  /** Called instead of `onReleased`, when the exchange has to be sent again on a new connection. */
  onStale(exchange: Exchange): void;
}

/** The bound on the body of an answer. The rest is not read. */
export const ANSWER_BYTES_MAX = 16_384;
/** The bound on interim answers (1xx) to one request. */
const INTERIM_MAX = 32;

/**
 * An exchange is one request and its answer. As undici's handler it covers the time from the first
 * byte sent to the last byte read.
 *
 * It is settled when its outcome is known, and released when its connection is free. Example: after
 * a timeout it is settled immediately, and released when undici has ended the connection.
 */
export class Exchange implements Dispatcher.DispatchHandler, WheelTimer {
  readonly target: Target;
  readonly request: SendRequest;
  readonly #events: ExchangeEvents;
  readonly #headers: readonly string[];
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;
  /** Receives the outcome. */
  readonly resolve: (sent: SendResult) => void;
  /** The connection that carries the exchange. */
  connection: Connection | undefined;
  /** Cancels the connection in progress. */
  cancelConnecting: ((error: OutgoingError) => void) | undefined;
  #connected: EstablishedConnection | undefined;
  #isPrivateAddress = false;
  #controller: Dispatcher.DispatchController | undefined;
  #startedMs = 0;
  #sentMs = 0;
  #firstByteMs: number | undefined;
  #interim = 0;
  #status = 0;
  #answerHeaders: Record<string, string | string[] | undefined> = {};
  #chunks: Buffer[] | undefined;
  #bytes = 0;
  #isReadable = true;
  #isSettled = false;
  #isReleased = false;
  /** Whether the connection carried another exchange before. */
  #isConnectionReused = false;

  constructor(
    target: Target,
    request: SendRequest,
    userAgent: string,
    events: ExchangeEvents,
    resolve: (sent: SendResult) => void,
  ) {
    this.target = target;
    this.request = request;
    this.resolve = resolve;
    this.#events = events;
    const headers = ['accept-encoding', 'identity'];
    if (request.headers['user-agent'] === undefined) headers.push('user-agent', userAgent);
    for (const name in request.headers) headers.push(name, request.headers[name] as string);
    this.#headers = headers;
  }

  /** Whether its time has started. */
  get isStarted(): boolean {
    return this.#startedMs !== 0;
  }

  /** Whether its outcome is known. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /**
   * Starts the time of the exchange, unless it has started. The exchange has a connection, or one
   * is being opened.
   */
  start({ isUsed, isPrivateAddress }: Connection): void {
    this.#sentMs = performance.now();
    if (this.#startedMs === 0) this.#startedMs = this.#sentMs;
    this.#isConnectionReused = isUsed;
    this.#isPrivateAddress = isPrivateAddress;
  }

  /** A new connection was opened for this exchange. */
  onConnected(established: EstablishedConnection): void {
    // Undici owns the socket now, so only undici may destroy it.
    this.cancelConnecting = undefined;
    this.#connected = established;
    this.#isPrivateAddress = established.isPrivateAddress;
    this.#sentMs = performance.now();
  }

  dispatchOn(client: Dispatcher): void {
    const { method, body } = this.request;
    client.dispatch(
      { path: this.target.path, method, headers: this.#headers as string[], body: body ?? null } as const,
      this,
    );
  }

  /** The deadline has passed. */
  onTimer(): void {
    const { timeoutMs } = this.request;
    const state = this.#status === 0 ? 'did not answer' : `answered ${this.#status}, but did not complete the response`;
    this.abort(new OutgoingError('timeout', `${this.target.host} ${state} within ${timeoutMs} ms`));
  }

  abort(error: OutgoingError): void {
    this.#fail(error);
    this.cancelConnecting?.(error);
    this.#controller?.abort(error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isSettled) controller.abort(new OutgoingError('timeout', 'it was cancelled before it was sent'));
  }

  /** The first bytes of an answer have arrived. It may be an interim answer. */
  onResponseStarted(): void {
    this.#firstByteMs ??= performance.now() - this.#sentMs;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) {
      if (++this.#interim > INTERIM_MAX)
        this.abort(new OutgoingError('answer', `${this.target.host} sent interim answers without end`));
      return;
    }
    this.#status = status;
    this.#answerHeaders = headers;
    // The encoding was not requested. A peer could fill the hub's memory with a small compressed
    // body, so it is not decompressed.
    this.#isReadable = (headers['content-encoding'] ?? 'identity') === 'identity';
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    const rest = ANSWER_BYTES_MAX - this.#bytes;
    this.#bytes += piece.length;
    if (this.#isReadable) (this.#chunks ??= []).push(piece.length > rest ? piece.subarray(0, rest) : piece);
    if (this.#bytes <= ANSWER_BYTES_MAX) return;
    this.#complete();
    controller.abort(new OutgoingError('too_large', 'the rest is not read'));
  }

  onResponseEnd(): void {
    this.#complete();
    this.#release(true);
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (this.#isReleased) return;
    if (this.#isStale(error)) {
      this.#controller = undefined;
      return this.#events.onStale(this);
    }
    this.#fail(exchangeFailure(error, this.target.host));
    this.#release(false);
  }

  /** Undici threw an error while it read the answer. Its later calls are ignored. */
  onClientError(error: unknown): void {
    this.#fail(new OutgoingError('answer', `the answer of ${this.target.host} could not be read`, error));
    this.#release(false);
  }

  #release(isReusable: boolean): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#events.onReleased(this, isReusable);
  }

  /**
   * Whether the peer closed a reused connection before it sent any byte of an answer. The request
   * can then be repeated.
   */
  #isStale(error: NodeJS.ErrnoException): boolean {
    return (
      this.#isConnectionReused &&
      !this.#isSettled &&
      this.#firstByteMs === undefined &&
      STALE_CONNECTION_CODES.has(error.code ?? '')
    );
  }

  #complete(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#events.onSettled(this, {
      failure: undefined,
      detail: '',
      answer: this.#answer(),
      isPrivateAddress: this.#isPrivateAddress,
      timing: this.#timing(),
    });
  }

  #fail({ publicError: { failure, message } }: OutgoingError): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    const category = failure === 'too_large' ? 'answer' : failure;
    this.#events.onSettled(this, {
      failure: category,
      detail: message,
      answer: undefined,
      isPrivateAddress: this.#isPrivateAddress,
      timing: this.#timing(),
    });
  }

  #answer(): RecordedResponse {
    return {
      status: this.#status,
      headers: joinHeaders(this.#answerHeaders),
      body: textOf(this.#chunks),
      isCut: this.#bytes > ANSWER_BYTES_MAX || !this.#isReadable,
    };
  }

  #timing(): Timing {
    const connected = this.#connected;
    return {
      nameMs: connected?.nameMs,
      connectMs: connected?.connectMs,
      tlsMs: connected?.tlsMs,
      firstByteMs: this.#firstByteMs,
      totalMs: this.isStarted ? performance.now() - this.#startedMs : 0,
    };
  }
}

const STALE_CONNECTION_CODES: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

function joinHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  for (const name in headers) {
    const value = headers[name];
    if (typeof value === 'object') headers[name] = value.join(', ');
  }
  return headers as Record<string, string>;
}

function textOf(pieces: Buffer[] | undefined): string {
  if (pieces === undefined) return '';
  const [first] = pieces;
  return pieces.length === 1 ? (first as Buffer).toString() : Buffer.concat(pieces).toString();
}
