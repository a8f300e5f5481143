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

/** What one connection's end, and its streams, are told to. */
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

/** Settings and pings that a connection may send at once, and for each second: clients send a handful in a minute. */
const CONTROL_FRAMES_BURST = 100;
const CONTROL_FRAMES_PER_SECOND = 10;
const TICKS_PER_SECOND = 4;
/** How long a connection that was ended by an error may take for its last frames: one second. */
const CLOSE_TICKS = 4;
/** How much of all its streams' bodies a client may send ahead, in bytes; one stream: 64 KiB. */
const CONNECTION_WINDOW_BYTES = 256 * 1024;

/** One connection that speaks HTTP/2: hands its streams on, and keeps to its bounds (PROTOCOL.md section 13.8). */
export class Http2Connection implements WheelTimer {
  readonly #owner: Http2Owner;
  readonly #session: ServerHttp2Session;
  readonly #socket: ErrorSafe<TLSSocket>;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;
  #openStreams = 0;
  /** No stream was opened since the wheel last looked. */
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

  /** Sends GOAWAY: streams that are open go on, and further ones are opened elsewhere. */
  goAway(): void {
    if (!this.#session.closed) this.#session.close();
  }

  destroy(code: number = constants.NGHTTP2_NO_ERROR): void {
    if (!this.#session.destroyed) this.#session.destroy(code as unknown as Error);
    this.#socket.destroySoon();
  }

  onTimer(): void {
    // A session that has ended may leave its socket open, and nobody reads it any more.
    if (this.#session.destroyed) {
      this.#socket.destroy();
      return;
    }
    if (this.#openStreams === 0 && this.#isIdle) {
      // Whoever does not take a word of farewell within another period is cut off.
      if (this.#session.closed) this.#socket.destroy();
      else this.goAway();
    }
    this.#isIdle = this.#openStreams === 0;
    this.#owner.wheel.schedule(this, this.#owner.idleTicks);
  }

  #handleStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]): void {
    this.#isIdle = false;
    withErrorListener(stream);
    // It was taken back before anybody looked at it, and may have said already that it is closed.
    if (stream.destroyed || stream.closed) return;
    this.#openStreams++;
    this.#owner.onStreamOpen();
    stream.once('close', () => {
      this.#openStreams--;
      this.#owner.onStreamClose();
    });
    this.#owner.onStream(createExchange(stream, headers, rawHeaders, this.#socket));
  }

  /** Settings or a ping: each costs an answer, so that many of them are an attack. */
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
 * A session that was ended by an error is held by Node for good when its client has not acknowledged the settings, and our listeners
 * would hold the connection, whose socket holds the error, whose stack holds nghttp2's own memory: 25 kB of each. Nothing comes of it any more.
 */
function releaseSession(this: ServerHttp2Session): void {
  removeListeners(this);
}
