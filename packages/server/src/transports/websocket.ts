import {
  CLOSE_CODES,
  PolycastError,
  SUBPROTOCOL,
  webSocketFraming,
  type CloseCode,
  type Problem,
  type ServerMessage,
} from '@polycast/protocol';
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Interest } from '../core/interest.ts';
import type { Position } from '../core/ports.ts';
import type { Principal } from '../core/principal.ts';
import type { Timed } from '../core/wheel.ts';
import type { Consumer } from './consumer.ts';
import type { Owned } from './owned-socket.ts';
import type { Services } from './services.ts';
import type { Dismissal } from './sessions.ts';
import { sessionOf, StreamSession, type SessionSocket, type Wording } from './stream-session.ts';
import { closeFrame, pongFrame, textFrame } from './websocket-frames.ts';
import { createReceiver, type WebSocketReceiver } from './websocket-receiver.ts';
import { catchUpReader, WebSocketOperations } from './websocket-operations.ts';

/** WebSocket (PROTOCOL.md section 7): the frames out are ours, shared by all readers; those that come in are parsed by `ws`. */
const WORDING: Wording = {
  transport: 'websocket',
  framing: webSocketFraming,
  heartbeat: (cursor) => message({ op: 'heartbeat', cursor }),
  gap: (gap) => message({ op: 'gap', ...gap }),
  draining: (reconnectInMs) => message({ op: 'draining', reconnectInMs }),
  expiring: (inMs) => message({ op: 'expiring', inMs }),
  dismissal: (code) => closeFrame(DISMISSAL_CODES[code], code),
  farewell: (why) => {
    const code = FAREWELL_CODES[why];
    return closeFrame(code, CLOSE_CODES[code].reason);
  },
};

const DISMISSAL_CODES: Readonly<Record<Dismissal, CloseCode>> = {
  token_expired: 4401,
  unauthorized: 4401,
  forbidden: 4403,
  identity_unavailable: 1013,
};

const FAREWELL_CODES: Readonly<Record<'drain' | 'stalled' | 'failed', CloseCode>> = {
  drain: 1001,
  stalled: 4408,
  failed: 1011,
};

/** Appended to the client's key (RFC 6455 section 1.3). */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** What the parser calls a close frame without a code (RFC 6455 section 7.1.5). */
const NO_CODE = 1005;
const INVALID_MESSAGES_MAX = 20;
/** Answers that a client does not read are its own trouble up to here, in bytes. */
const ANSWER_BYTES_MAX = 1024 * 1024;
/** Pongs wait behind no more than this, in bytes. */
const PONG_BYTES_MAX = 64 * 1024;

export interface Handshake {
  readonly key: string;
  readonly subprotocol: string | undefined;
}

/**
 * What an upgrade request asks for.
 * @throws PolycastError `upgrade_required`, `invalid_header`, `unsupported_subprotocol`
 */
export function readHandshake({ headers, method }: IncomingMessage): Handshake {
  const key = headers['sec-websocket-key'];
  if (method !== 'GET' || headers.upgrade?.toLowerCase() !== 'websocket')
    throw new PolycastError('invalid_header', 'Only an upgrade to "websocket" is known here.');
  if (headers['sec-websocket-version'] !== '13')
    throw new PolycastError('upgrade_required', 'Version 13 is spoken here.');
  if (key === undefined || !/^[A-Za-z0-9+/]{22}==$/.test(key))
    throw new PolycastError('invalid_header', 'Sec-WebSocket-Key is missing or not 16 bytes.');
  const offered = headers['sec-websocket-protocol'];
  if (offered === undefined) return { key, subprotocol: undefined };
  if (offered.split(',').some((name) => name.trim() === SUBPROTOCOL)) return { key, subprotocol: SUBPROTOCOL };
  throw new PolycastError('unsupported_subprotocol', `${SUBPROTOCOL} is spoken here.`);
}

export function openWebSocket(
  services: Services,
  socket: Owned,
  head: Buffer,
  handshake: Handshake,
  consumer: Consumer,
  types: readonly string[] | undefined,
): void {
  const session = new WebSocketSession(services, socket, consumer, types);
  const { heartbeatMs } = services.settings;
  socket.setTimeout(0);
  socket.write(handshakeAnswer(handshake));
  socket.on('data', onData);
  if (consumer.gap !== undefined) services.figures.gaps++;
  const ready = message({
    op: 'ready',
    cursor: session.cursor(consumer.position),
    session: session.id,
    heartbeatMs,
  });
  session.open(consumer.gap === undefined ? ready : Buffer.concat([ready, message({ op: 'gap', ...consumer.gap })]));
  session.awaitEntry();
  if (head.length > 0) session.receive(head);
}

/** One text frame with a control message. */
export function message(content: ServerMessage): Buffer {
  return textFrame(JSON.stringify(content));
}

export class WebSocketSession extends StreamSession {
  readonly types: readonly string[] | undefined;
  #receiver: WebSocketReceiver | undefined;
  #operations: WebSocketOperations | undefined;
  #invalidMessages = 0;
  #onHold: (() => void) | undefined;
  #entry: Entry | undefined;

  constructor(services: Services, socket: Owned, consumer: Consumer, types: readonly string[] | undefined) {
    super(services, WORDING, socket, consumer);
    this.types = types;
  }

  /** Bytes from the client. The parser is made when the first come: who only listens costs none. */
  receive(bytes: Buffer): void {
    if (this.phase !== 'open') return;
    this.#receiver ??= this.#createReceiver();
    if (!this.#receiver.write(bytes)) this.#rest();
  }

  answer(content: ServerMessage): void {
    this.send(message(content));
    if (this.socket.writableLength > ANSWER_BYTES_MAX) this.destroy();
  }

  /** Something was no operation; a client that goes on like that is shown out. */
  invalid(problem: Problem): void {
    this.answer({ op: 'error', ok: false, error: problem });
    if (++this.#invalidMessages >= INVALID_MESSAGES_MAX) this.close(4400);
  }

  /** Says the close code and ends the socket. */
  close(code: CloseCode): void {
    this.end(closeFrame(code, CLOSE_CODES[code].reason));
  }

  /** Reads on only after some operations are done: `false` stops the socket, `true` lets it go on. */
  flow(on: boolean): void {
    if (on) this.socket.resume();
    else this.socket.pause();
  }

  /** Whoever has no channel, and is nobody known, has so long for one or the other (PROTOCOL.md section 13.7). */
  awaitEntry(): void {
    if (this.principal.kind !== 'anonymous' || this.channels.length > 0) return;
    this.#entry ??= new Entry(this);
    this.services.wheel.schedule(this.#entry, this.services.settings.webSocketEntryTicks);
  }

  override gone(): void {
    if (this.#entry !== undefined) this.services.wheel.cancel(this.#entry);
    this.#operations?.close();
    super.gone();
  }

  /** Whether it is here for events that it pulls. */
  get isPulling(): boolean {
    return this.#operations?.isPulling === true;
  }

  /** Has the reader stand still; resolves once it does. */
  hold(): Promise<void> {
    if (this.reader.hold()) return Promise.resolve();
    return new Promise((stands) => (this.#onHold = stands));
  }

  /** Sends what an interest has between two positions, while the reader stands still. */
  async catchUp(interest: Interest, from: Position, through: Position, excusedThrough: Position): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.active = catchUpReader(this, this.services, interest, from, through, (error) =>
          error === undefined ? resolve() : reject(error),
        );
        this.active.excuse(excusedThrough);
        this.active.start();
      });
    } catch (error) {
      this.failed(error as PolycastError);
    } finally {
      this.active.close();
      this.active = this.reader;
    }
  }

  /** Goes on with these channels. */
  resume(interest: Interest): void {
    const before = this.reader.interest;
    this.reader.resume(interest);
    this.awaitEntry();
    if (interest !== before)
      this.services.sessions.changed(this, { principal: this.principal, channels: before.patterns });
  }

  /** What is no longer allowed is dropped, and the client is told. */
  override async renewed(principal: Principal): Promise<void> {
    this.#operations ??= new WebSocketOperations(this.services, this);
    const channels = await this.#operations.adopt(principal);
    if (channels.length > 0) this.answer({ op: 'dropped', channels, code: 'forbidden' });
  }

  override caughtUp(): void {
    const then = this.#onHold;
    if (then === undefined) return;
    this.#onHold = undefined;
    then();
  }

  #rest(): void {
    this.socket.pause();
    this.#receiver?.once('drain', () => void this.socket.resume());
  }

  #createReceiver(): WebSocketReceiver {
    const receiver = createReceiver(this.services.settings.messageBytesMax);
    receiver.on('message', (data, isBinary) => this.#message(data, isBinary));
    receiver.on('ping', (payload) => this.#pong(payload));
    receiver.on('conclude', (code) => this.end(closeFrame(code === NO_CODE ? 1000 : code, '')));
    receiver.on('error', (error) => this.close(codeOf(error)));
    return receiver;
  }

  /** A client that does not read its pongs gets no more of them: the newest one answers all (RFC 6455 section 5.5.3). */
  #pong(payload: Buffer): void {
    if (this.socket.writableLength < PONG_BYTES_MAX) this.send(pongFrame(payload));
  }

  #message(data: Buffer, isBinary: boolean): void {
    if (this.phase !== 'open') return;
    if (isBinary) return this.close(1003);
    this.#operations ??= new WebSocketOperations(this.services, this);
    this.#operations.handle(data.toString());
  }
}

/** The time that a session has for saying what it is here for. */
class Entry implements Timed {
  readonly #session: WebSocketSession;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;

  constructor(session: WebSocketSession) {
    this.#session = session;
  }

  due(): void {
    const { principal, channels, isPulling } = this.#session;
    if (principal.kind === 'anonymous' && channels.length === 0 && !isPulling) this.#session.close(4408);
  }
}

/** What the parser of `ws` calls its refusals, as close codes. */
function codeOf(error: Error & { code?: string }): CloseCode {
  if (error.code === 'WS_ERR_INVALID_UTF8') return 1007;
  if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' || error.code === 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH')
    return 1009;
  return 1002;
}

function onData(this: SessionSocket, bytes: Buffer): void {
  (sessionOf(this) as WebSocketSession | undefined)?.receive(bytes);
}

function handshakeAnswer({ key, subprotocol }: Handshake): string {
  const accept = createHash('sha1')
    .update(key + ACCEPT_GUID)
    .digest('base64');
  const chosen = subprotocol === undefined ? '' : `Sec-WebSocket-Protocol: ${subprotocol}\r\n`;
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${chosen}\r\n`;
}
