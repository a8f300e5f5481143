import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { until } from '../wait.ts';

/**
 * A bare TCP connection, for bytes that no client library sends, and to control when data is read.
 */
export class RawSocket {
  readonly socket: Socket;
  #chunks: Buffer[] = [];
  #text = '';
  readonly #connection: Socket;
  closed = false;

  /** @param connection the transport of the socket, for TLS */
  constructor(socket: Socket, connection: Socket = socket) {
    this.socket = socket;
    this.#connection = connection;
    socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => (this.closed = true));
  }

  /** The received data, one character per byte. */
  get text(): string {
    if (this.#chunks.length > 0) {
      this.#text += Buffer.concat(this.#chunks).toString('latin1');
      this.#chunks = [];
    }
    return this.#text;
  }

  get status(): number {
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(this.text)?.[1] ?? 0);
  }

  /** The `code` of the received problem document. */
  get code(): string | undefined {
    return /"code":"(\w+)"/.exec(this.text)?.[1];
  }

  send(data: string | Uint8Array): boolean {
    return !this.socket.destroyed && this.socket.write(data);
  }

  async receives(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray> {
    let match: RegExpExecArray | null = null;
    await until(
      `${String(pattern)} comes, after ${JSON.stringify(this.text.slice(-300))}`,
      () => {
        match = pattern.exec(this.text);
        return match !== null;
      },
      timeoutMs,
    );
    return match as unknown as RegExpExecArray;
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
}

/** A bare connection to an `http:` hub, or one over TLS, with HTTP/1.1, to an `https:` hub. */
export async function rawConnection(hub: string): Promise<RawSocket> {
  const { hostname, port, protocol } = new URL(hub);
  const connection = connect(Number(port), hostname);
  const socket =
    protocol === 'https:'
      ? connectTls({ socket: connection, ALPNProtocols: ['http/1.1'], rejectUnauthorized: false })
      : connection;
  connection.on('error', () => undefined);
  await once(socket, protocol === 'https:' ? 'secureConnect' : 'connect');
  return new RawSocket(socket, connection);
}

export function rawSocket(hub: string): Promise<RawSocket> {
  const { hostname, port } = new URL(hub);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(new RawSocket(socket));
    });
  });
}

/** The headers of a request for a WebSocket. */
export const UPGRADE_HEADERS =
  'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

/** Opens a WebSocket by hand and leaves the frames to the caller. */
export async function rawWebSocket(hub: string, target = '/v1/events'): Promise<RawSocket> {
  const raw = await rawSocket(hub);
  raw.send(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n${UPGRADE_HEADERS}\r\n`);
  await raw.receives(/"op":"ready"/);
  return raw;
}

/** One frame of a client, masked with zeros, so that it can be read. */
export function clientFrame(
  opcode: number,
  payload: Uint8Array,
  { final = true, masked = true }: { final?: boolean; masked?: boolean } = {},
): Buffer {
  const { length } = payload;
  const header = length < 126 ? Buffer.alloc(2) : length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10);
  header[0] = (final ? 0x80 : 0) | opcode;
  header[1] = (masked ? 0x80 : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, Buffer.alloc(masked ? 4 : 0), payload]);
}

/** The close code of the server, from bytes read as one character each; undefined without one. */
export function closeCodeIn(text: string): number | undefined {
  const at = text.lastIndexOf('\u0088');
  return at < 0 || at + 4 > text.length ? undefined : text.charCodeAt(at + 2) * 256 + text.charCodeAt(at + 3);
}
