import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';

/**
 * How a client disconnects: the hub receives the end of the stream, or a RST that may overtake
 * data.
 */
export type CloseMode = 'end' | 'reset';

/** Sends this many bytes to a hub, then closes the connection. */
export async function sendAndClose(hub: string, bytes: Uint8Array, ending: CloseMode): Promise<void> {
  const socket = await connected(hub);
  await new Promise((resolve) => socket.write(bytes, resolve));
  await close(socket, ending);
}

/**
 * Sends a request, reads exactly this many bytes of the answer, and closes the connection. Returns
 * these bytes.
 */
export async function readAndClose(
  hub: string,
  request: Uint8Array,
  count: number,
  ending: CloseMode,
): Promise<string> {
  const { hostname, port } = new URL(hub);
  const chunks: Buffer[] = [];
  let left = count;
  const readEnough = Promise.withResolvers<void>();
  const socket = connect({
    host: hostname,
    port: Number(port),
    onread: {
      buffer: () => Buffer.alloc(Math.max(1, left)),
      callback: (size, buffer) => {
        chunks.push(Buffer.from(buffer.subarray(0, size)));
        left -= size;
        if (left <= 0) readEnough.resolve();
        return left > 0;
      },
    },
  });
  socket.on('error', () => undefined).on('close', () => readEnough.resolve());
  await once(socket, 'connect');
  await new Promise((resolve) => socket.write(request, resolve));
  if (count > 0) await readEnough.promise;
  await close(socket, ending);
  return Buffer.concat(chunks).toString('latin1');
}

/**
 * Sends a request over TLS and cuts the connection after this many bytes, including those of TLS.
 * @returns whether all bytes were sent before the cut
 */
export async function cutTls(hub: string, request: Uint8Array, count: number, ending: CloseMode): Promise<boolean> {
  const socket = await connected(hub);
  const cutting = new CutAfter(socket, count);
  const tls = connectTls({ socket: cutting, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
  tls.on('error', () => undefined).write(request, () => cutting.finish());
  tls.resume();
  const isWhole = await cutting.done;
  await close(socket, ending);
  tls.destroy();
  return isWhole;
}

/** Forwards bytes to a socket, up to a limit. */
class CutAfter extends Duplex {
  readonly #socket: Socket;
  #left: number;
  readonly #done = Promise.withResolvers<boolean>();

  constructor(socket: Socket, count: number) {
    super();
    this.#socket = socket;
    this.#left = count;
    socket.on('data', (chunk) => this.push(chunk)).on('close', () => this.#done.resolve(false));
  }

  /** Whether all bytes were sent; false if the connection was cut. */
  get done(): Promise<boolean> {
    return this.#done.promise;
  }

  finish(): void {
    this.#done.resolve(true);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    const sent = chunk.subarray(0, this.#left);
    const isCut = chunk.length >= this.#left;
    this.#left -= sent.length;
    this.#socket.write(sent, () => (isCut ? this.#done.resolve(false) : callback()));
  }
}

async function connected(hub: string): Promise<Socket> {
  const { hostname, port } = new URL(hub);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  return socket.on('error', () => undefined);
}

async function close(socket: Socket, ending: CloseMode): Promise<void> {
  if (socket.destroyed) return;
  const closed = once(socket, 'close');
  if (ending === 'reset') socket.resetAndDestroy();
  else socket.destroy();
  await closed;
}
