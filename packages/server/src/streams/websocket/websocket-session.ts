import {
  CLOSE_CODES,
  webSocketFraming,
  type CloseCode,
  type PolycastError,
  type ServerMessage,
} from '@polycast/protocol';
import type { Interest } from '../../core/interests/interest.ts';
import type { Position } from '../../core/ports.ts';
import type { Principal } from '../../core/access/principal.ts';
import type { EndReason } from '../../core/session-journal/session-record.ts';
import type { WheelTimer } from '../../core/primitives/timing-wheel.ts';
import type { ReadRequest } from '../read-request.ts';
import type { ErrorSafe } from '../../http/sockets/error-safe-socket.ts';
import type { WebSocketParts } from '../stream-parts.ts';
import type { RevokedReason } from '../../auth/sessions.ts';
import type { ControlFrames } from '../control-frames.ts';
import { NO_BYTES } from '../session-socket.ts';
import { StreamSession } from '../stream-session.ts';
import { closeFrame, pongFrame, textFrame } from './websocket-frames.ts';
import { createReceiver, type WebSocketReceiver } from './websocket-receiver.ts';
import { createCatchUpReader } from './catch-up-reader.ts';

/**
 * The frames of WebSocket (PROTOCOL.md section 7). The hub makes the outgoing frames itself, so
 * that all readers share them. The package `ws` parses the incoming frames.
 */
const FRAMES: ControlFrames = {
  transport: 'websocket',
  ignoresInput: false,
  framing: webSocketFraming,
  heartbeat: (cursor) => messageFrame({ op: 'heartbeat', cursor }),
  keepAlive: undefined,
  gap: (gap) => messageFrame({ op: 'gap', ...gap }),
  draining: (reconnectInMs) => messageFrame({ op: 'draining', reconnectInMs }),
  expiring: (inMs) => messageFrame({ op: 'expiring', inMs }),
  revoked: (code) => closeFrame(REVOKED_CLOSE_CODES[code], code),
  closing: (why) => {
    const code = CLOSE_REASON_CODES[why];
    return closeFrame(code, CLOSE_CODES[code].reason);
  },
};

const REVOKED_CLOSE_CODES: Readonly<Record<RevokedReason, CloseCode>> = {
  token_expired: 4401,
  unauthorized: 4401,
  forbidden: 4403,
  identity_unavailable: 1013,
};

const CLOSE_REASON_CODES: Readonly<Record<'drain' | 'stalled' | 'failed', CloseCode>> = {
  drain: 1001,
  stalled: 4408,
  failed: 1011,
};

/** The parser reports this code for a close frame without a code (RFC 6455 section 7.1.5). */
const NO_CODE = 1005;
/** Bytes of unread answers beyond which the hub closes the connection. */
const ANSWER_BYTES_MAX = 1024 * 1024;
/** Unwritten bytes beyond which the hub sends no pong. */
const PONG_BYTES_MAX = 64 * 1024;

/** A control message as one text frame. */
export function messageFrame(content: ServerMessage): Buffer {
  return textFrame(JSON.stringify(content));
}

/** Handles the messages of a session. The first message creates it. */
export interface OperationHandler {
  /** Whether the session pulls from a subscription. */
  readonly isPulling: boolean;
  handle(text: string): void;
  /** Replaces the session's credentials; resolves with the channels that it loses. */
  changePrincipal(principal: Principal): Promise<readonly string[]>;
  /** The session is closed. */
  close(): void;
}

type CreateOperations = (parts: WebSocketParts, session: WebSocketSession) => OperationHandler;

export class WebSocketSession extends StreamSession<WebSocketParts> {
  readonly types: readonly string[] | undefined;
  #receiver: WebSocketReceiver | undefined;
  #operations: OperationHandler | undefined;
  readonly #createOperations: CreateOperations;
  #onHeld: (() => void) | undefined;
  #idleTimer: IdleTimer | undefined;

  constructor(
    parts: WebSocketParts,
    socket: ErrorSafe,
    readRequest: ReadRequest,
    types: readonly string[] | undefined,
    createOperations: CreateOperations,
  ) {
    super(parts, FRAMES, socket, readRequest);
    this.types = types;
    this.#createOperations = createOperations;
  }

  /**
   * Handles bytes from the client. The first bytes create the parser, so a client that sends
   * nothing costs none.
   */
  receive(bytes: Buffer): void {
    if (this.phase !== 'open') return;
    this.#receiver ??= this.#createReceiver();
    if (!this.#receiver.write(bytes)) this.#pauseUntilDrain();
  }

  respond(content: ServerMessage): void {
    this.send(messageFrame(content));
    if (this.socket.writableLength > ANSWER_BYTES_MAX) this.destroy('stalled');
  }

  /**
   * Sends a large message. The promise resolves when the socket has taken it or is closed. A client
   * that reads nothing for too long is closed as stalled, as with batches.
   */
  async sendAndWait(bytes: Uint8Array): Promise<void> {
    this.send(bytes);
    const { socket } = this;
    if (socket.writableLength === 0) return;
    do {
      this.markBlocked();
      await new Promise<void>((taken) => socket.write(NO_BYTES, () => taken()));
    } while (socket.writableLength > 0 && !socket.destroyed);
    this.markFlushed();
  }

  /** Sends the close code and ends the socket. */
  close(code: CloseCode, reason: EndReason): void {
    this.end(closeFrame(code, CLOSE_CODES[code].reason), reason);
  }

  /** Pauses (`false`) or resumes (`true`) reading from the socket. */
  setReading(isReading: boolean): void {
    if (isReading) this.socket.resume();
    else this.socket.pause();
  }

  /**
   * Starts the time limit for an anonymous client without a channel to get one or authenticate
   * (PROTOCOL.md section 13.7).
   */
  startIdleTimer(): void {
    if (this.principal.kind !== 'anonymous' || this.channels.length > 0) return;
    this.#idleTimer ??= new IdleTimer(this);
    this.parts.wheel.schedule(this.#idleTimer, this.parts.settings.webSocketIdleTicks);
  }

  override onClose(): void {
    if (this.#idleTimer !== undefined) this.parts.wheel.cancel(this.#idleTimer);
    this.#operations?.close();
    super.onClose();
  }

  /** Whether the session pulls from a subscription. */
  get isPulling(): boolean {
    return this.#operations?.isPulling === true;
  }

  /** Pauses the reader; resolves when it has paused. */
  pauseReader(): Promise<void> {
    if (this.reader.pause()) return Promise.resolve();
    return new Promise((resolve) => (this.#onHeld = resolve));
  }

  /** Sends the events of an interest between two positions while the reader is paused. */
  async catchUp(interest: Interest, from: Position, through: Position, suppressGapThrough: Position): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.activeReader = createCatchUpReader(
          this.parts.feed,
          (batch, sendGapFirst) => this.deliver(batch, sendGapFirst),
          interest,
          from,
          through,
          (error) => (error === undefined ? resolve() : reject(error)),
        );
        this.activeReader.suppressGapThrough(suppressGapThrough);
        this.activeReader.start();
      });
    } catch (error) {
      this.onFailed(error as PolycastError);
    } finally {
      this.activeReader.close();
      this.activeReader = this.reader;
    }
  }

  /**
   * Resumes the reader with these channels.
   * @param from events of new channels after this position were sent
   */
  resumeWith(interest: Interest, from: Position = this.reader.position): void {
    const before = this.reader.interest;
    this.reader.resume(interest);
    this.startIdleTimer();
    if (interest !== before)
      this.parts.sessions.changed(this, { principal: this.principal, channels: before.patterns, from });
  }

  /** Drops the channels that are no longer allowed, and informs the client. */
  override async applyRenewal(principal: Principal): Promise<void> {
    this.#operations ??= this.#createOperations(this.parts, this);
    const channels = await this.#operations.changePrincipal(principal);
    if (channels.length > 0) this.respond({ op: 'dropped', channels, code: 'forbidden' });
  }

  override onCaughtUp(): void {
    const then = this.#onHeld;
    if (then === undefined) return;
    this.#onHeld = undefined;
    then();
  }

  #pauseUntilDrain(): void {
    this.socket.pause();
    this.#receiver?.once('drain', () => void this.socket.resume());
  }

  #createReceiver(): WebSocketReceiver {
    const receiver = createReceiver(this.parts.settings.messageBytesMax);
    receiver.on('message', (data, isBinary) => this.#handleMessage(data, isBinary));
    receiver.on('ping', (payload) => this.#sendPong(payload));
    receiver.on('conclude', (code) => this.end(closeFrame(code === NO_CODE ? 1000 : code, ''), 'client'));
    receiver.on('error', (error) => this.close(closeCodeOf(error), 'protocol'));
    return receiver;
  }

  /**
   * Answers a ping, unless the client does not read its pongs: then the pong for the newest ping
   * suffices (RFC 6455 section 5.5.3).
   */
  #sendPong(payload: Buffer): void {
    if (this.socket.writableLength < PONG_BYTES_MAX) this.send(pongFrame(payload));
  }

  #handleMessage(data: Buffer, isBinary: boolean): void {
    if (this.phase !== 'open') return;
    if (isBinary) return this.close(1003, 'protocol');
    this.#operations ??= this.#createOperations(this.parts, this);
    this.#operations.handle(data.toString());
  }
}

/** The time limit of a session without a channel, a pull or credentials. */
class IdleTimer implements WheelTimer {
  readonly #session: WebSocketSession;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;

  constructor(session: WebSocketSession) {
    this.#session = session;
  }

  onTimer(): void {
    const { principal, channels, isPulling } = this.#session;
    if (principal.kind === 'anonymous' && channels.length === 0 && !isPulling) this.#session.close(4408, 'idle');
  }
}

/** Maps an error of the parser `ws` to a close code. */
function closeCodeOf(error: Error & { code?: string }): CloseCode {
  if (error.code === 'WS_ERR_INVALID_UTF8') return 1007;
  if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' || error.code === 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH')
    return 1009;
  return 1002;
}
