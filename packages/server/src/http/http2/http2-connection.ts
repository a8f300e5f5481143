import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { WheelTimer, TimingWheel } from '../../core/primitives/timing-wheel.ts';
import { withErrorListener, removeListeners, type ErrorSafe } from '../sockets/error-safe-socket.ts';
import { createExchange, type Exchange } from './http2-exchange.ts';

/** Receives the streams and the end of a connection. */
export interface Http2Owner {
  readonly wheel: TimingWheel;
  readonly idleTicks: number;
  readonly sessionOptions: object;
  onStreamOpen(): void;
  onStream(exchange: Exchange): void;
  onStreamClose(): void;
  onClose(connection: Http2Connection): void;
  onFlood(remoteAddress: string | undefined): void;
}

/**
 * Settings and pings that a connection may send at once, and per second: clients send a handful per
 * minute.
 */
const CONTROL_FRAMES_BURST = 100;
const CONTROL_FRAMES_PER_SECOND = 10;
const TICKS_PER_SECOND = 4;
/** The time that a connection has for its last frames after an error: one second. */
const CLOSE_TICKS = 4;
/**
 * The flow control window of a connection, in bytes: body bytes of all its streams that a client
 * may send ahead. One stream has 64 KiB.
 */
const CONNECTION_WINDOW_BYTES = 256 * 1024;

/**
 * An HTTP/2 connection: passes its streams on and enforces its bounds (PROTOCOL.md section 13.8).
 */
export class Http2Connection implements WheelTimer {
  readonly #owner: Http2Owner;
  readonly #session: ServerHttp2Session;
  readonly #socket: ErrorSafe<TLSSocket>;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;
  #openStreams = 0;
  /** No stream was opened since the last tick of the timer. */
  #isIdle = false;
  #allowance = CONTROL_FRAMES_BURST;
  #allowanceTick: number;

  constructor(owner: Http2Owner, socket: ErrorSafe<TLSSocket>) {
    this.#owner = owner;
    this.#socket = socket;
    this.#allowanceTick = owner.wheel.tick;
    const session = performServerHandshake(socket, owner.sessionOptions);
    this.#session = session;
    const control = (): void => this.#countControlFrame();
    session.on('remoteSettings', control);
    session.on('ping', control);
    session.on('error', () => owner.wheel.schedule(this, CLOSE_TICKS));
    session.once('close', releaseSession);
    session.on('stream', (stream, headers, _flags, rawHeaders) => this.#handleStream(stream, headers, rawHeaders));
    socket.once('close', () => this.#handleClose());
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    owner.wheel.schedule(this, owner.idleTicks);
  }

  /** Sends GOAWAY: open streams continue, and the client opens new ones on another connection. */
  goAway(): void {
    if (!this.#session.closed) this.#session.close();
  }

  destroy(code: number = constants.NGHTTP2_NO_ERROR): void {
    const error = code === constants.NGHTTP2_NO_ERROR ? undefined : new Error(`The connection ends with code ${code}.`);
    if (!this.#session.destroyed) this.#session.destroy(error, code);
    this.#socket.destroySoon();
  }

  onTimer(): void {
    // A session that has ended may leave its socket open and unread.
    if (this.#session.destroyed) {
      this.#socket.destroy();
      return;
    }
    if (this.#openStreams === 0 && this.#isIdle) {
      // A client that has not closed within a period after GOAWAY is disconnected.
      if (this.#session.closed) this.#socket.destroy();
      else this.goAway();
    }
    this.#isIdle = this.#openStreams === 0;
    this.#owner.wheel.schedule(this, this.#owner.idleTicks);
  }

  #handleStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]): void {
    this.#isIdle = false;
    withErrorListener(stream);
    // The client reset the stream before it was handled. Its event `close` may be over.
    if (stream.destroyed || stream.closed) return;
    this.#openStreams++;
    this.#owner.onStreamOpen();
    stream.once('close', () => {
      this.#openStreams--;
      this.#owner.onStreamClose();
    });
    this.#owner.onStream(createExchange(stream, headers, rawHeaders, this.#socket));
  }

  /** Counts settings and pings. Each costs a response, so a large number of them is an attack. */
  #countControlFrame(): void {
    const { tick } = this.#owner.wheel;
    const refilled = ((tick - this.#allowanceTick) * CONTROL_FRAMES_PER_SECOND) / TICKS_PER_SECOND;
    this.#allowanceTick = tick;
    this.#allowance = Math.min(CONTROL_FRAMES_BURST, this.#allowance + refilled) - 1;
    if (this.#allowance >= 0 || this.#session.destroyed) return;
    this.#owner.onFlood(this.#socket.remoteAddress);
    this.destroy(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #handleClose(): void {
    this.#owner.wheel.cancel(this);
    this.#owner.onClose(this);
  }
}

/**
 * Removes the listeners of a closed session. After an error Node never releases a session whose
 * client has not acknowledged the settings. The listeners would hold the connection, its socket,
 * the error and the memory of nghttp2: 25 kB each.
 */
function releaseSession(this: ServerHttp2Session): void {
  removeListeners(this);
}
