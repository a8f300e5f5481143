import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { until } from '../wait.ts';

/** Handmade HTTP/2 frames (RFC 9113 section 6), for bytes that no client library sends. */
export const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { endStream: 1, acknowledge: 1, endHeaders: 4 } as const;
export const SETTING = { initialWindowSize: 4, maxFrameSize: 5 } as const;
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const HEADER_BYTES = 9;
const FRAME_BYTES_MAX = 16_384;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/**
 * Fields in the simplest form of HPACK: literal, without indexing, without Huffman (RFC 7541
 * section 6.2.2).
 */
export function fieldBlock(fields: Readonly<Record<string, string>> | readonly (readonly [string, string])[]): Buffer {
  const pairs = Array.isArray(fields) ? (fields as readonly (readonly [string, string])[]) : Object.entries(fields);
  return Buffer.concat(pairs.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) | 128);
  length.push(rest);
  return Buffer.concat([Buffer.from(length), bytes]);
}

export function settings(entries: readonly (readonly [number, number])[] = []): Buffer {
  const payload = Buffer.alloc(entries.length * 6);
  for (const [index, [setting, value]] of entries.entries()) {
    payload.writeUInt16BE(setting, index * 6);
    payload.writeUInt32BE(value, index * 6 + 2);
  }
  return frame(TYPE.settings, 0, 0, payload);
}

export function windowUpdate(stream: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(TYPE.windowUpdate, 0, stream, payload);
}

export function reset(stream: number, code = 8): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame(TYPE.reset, 0, stream, payload);
}

/** A complete request without a body; in several frames if its fields need them. */
export function get(
  stream: number,
  path: string,
  more: Readonly<Record<string, string>> | readonly (readonly [string, string])[] = {},
): Buffer {
  const fields = { ':method': 'GET', ':scheme': 'https', ':authority': 'localhost', ':path': path };
  const block = Buffer.concat([fieldBlock(fields), fieldBlock(more)]);
  const frames: Buffer[] = [];
  for (let start = 0; start < block.length; start += FRAME_BYTES_MAX) {
    const isFirst = start === 0;
    const isLast = start + FRAME_BYTES_MAX >= block.length;
    const flags = (isFirst ? FLAG.endStream : 0) | (isLast ? FLAG.endHeaders : 0);
    const piece = block.subarray(start, start + FRAME_BYTES_MAX);
    frames.push(frame(isFirst ? TYPE.headers : TYPE.continuation, flags, stream, piece));
  }
  return Buffer.concat(frames);
}

/** Splits bytes into frames, however they arrive. */
export class FrameParser {
  #rest: Buffer = Buffer.alloc(0);

  *feed(chunk: Buffer): Generator<Frame> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) return;
      const [type, flags] = [this.#rest[3] as number, this.#rest[4] as number];
      const stream = this.#rest.readUInt32BE(5) & 0x7fff_ffff;
      yield { type, flags, stream, payload: this.#rest.subarray(HEADER_BYTES, end) };
      this.#rest = this.#rest.subarray(end);
    }
  }
}

export interface RawHttp2Options {
  /** The initial window of a stream, in bytes; 65,535 by default. */
  readonly windowBytes?: number;
  /** Whether it returns received bytes to the windows immediately; true by default. */
  readonly replenishesWindow?: boolean;
  /** Whether it acknowledges the hub's settings and waits for them; true by default. */
  readonly acknowledgesSettings?: boolean;
}

/** A connection that sends frames unchanged. */
export class RawHttp2 {
  readonly socket: TLSSocket;
  readonly frames: Frame[] = [];
  /** Bytes of data, by stream. */
  readonly dataBytes: Map<number, number> = new Map();
  closed = false;
  readonly #connection: Socket;
  #text = '';

  /** @param connection the transport of the socket */
  constructor(
    socket: TLSSocket,
    connection: Socket,
    { replenishesWindow = true, acknowledgesSettings = true }: RawHttp2Options,
  ) {
    this.socket = socket;
    this.#connection = connection;
    const parser = new FrameParser();
    socket.on('error', () => undefined);
    socket.on('close', () => (this.closed = true));
    socket.on('data', (chunk: Buffer) => {
      for (const each of parser.feed(chunk)) this.#receive(each, replenishesWindow, acknowledgesSettings);
    });
  }

  /** All received data, of all streams. */
  get text(): string {
    return this.#text;
  }

  /** The code of the last received GOAWAY. */
  get goAwayCode(): number | undefined {
    return this.frames.findLast(({ type }) => type === TYPE.goAway)?.payload.readUInt32BE(4);
  }

  resets(): readonly number[] {
    return this.frames.filter(({ type }) => type === TYPE.reset).map(({ payload }) => payload.readUInt32BE());
  }

  send(...pieces: readonly Uint8Array[]): boolean {
    return !this.socket.destroyed && this.socket.write(Buffer.concat(pieces));
  }

  /**
   * Sends as fast as the other side reads, until it closes or there is no more data. Returns the
   * number of frames sent.
   */
  async flood(pieces: Iterable<Uint8Array>): Promise<number> {
    let sent = 0;
    for (const piece of pieces) {
      if (this.closed || this.socket.destroyed) break;
      sent++;
      if (!this.socket.write(piece)) await this.#writable();
    }
    return sent;
  }

  /** Waits until the socket accepts more, or is closed. */
  #writable(): Promise<void> {
    if (this.closed) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        this.socket.off('drain', finish).off('close', finish);
        resolve();
      };
      this.socket.on('drain', finish).on('close', finish);
    });
  }

  closes(timeoutMs?: number): Promise<void> {
    return until('the connection is closed', () => this.closed, timeoutMs);
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Aborts the TCP connection with a RST. */
  reset(): void {
    this.#connection.resetAndDestroy();
  }

  #receive(each: Frame, replenishesWindow: boolean, acknowledgesSettings: boolean): void {
    if (acknowledgesSettings && each.type === TYPE.settings && (each.flags & FLAG.acknowledge) === 0)
      this.send(frame(TYPE.settings, FLAG.acknowledge, 0));
    if (each.type !== TYPE.data) {
      this.frames.push({ ...each, payload: Buffer.from(each.payload) });
      return;
    }
    this.dataBytes.set(each.stream, (this.dataBytes.get(each.stream) ?? 0) + each.payload.length);
    this.#text += each.payload.toString('latin1');
    if (replenishesWindow && each.payload.length > 0)
      this.send(windowUpdate(0, each.payload.length), windowUpdate(each.stream, each.payload.length));
  }
}

/** Connects, and sends the preface with these settings. */
export async function rawHttp2(hub: string, options: RawHttp2Options = {}): Promise<RawHttp2> {
  const { hostname, port } = new URL(hub);
  const connection = connect(Number(port), hostname);
  connection.on('error', () => undefined);
  const socket = connectTls({ socket: connection, ALPNProtocols: ['h2'], rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const raw = new RawHttp2(socket, connection, options);
  const { windowBytes, acknowledgesSettings = true } = options;
  raw.send(Buffer.from(PREFACE), settings(windowBytes === undefined ? [] : [[SETTING.initialWindowSize, windowBytes]]));
  if (acknowledgesSettings)
    await until('the settings come', () => raw.frames.some(({ type }) => type === TYPE.settings));
  return raw;
}
