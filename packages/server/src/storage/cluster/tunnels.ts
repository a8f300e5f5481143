import { randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';
import type { Fleet } from './fleet.ts';

/** Bytes that may be on the way in one direction, before the other hub has read some. */
const WINDOW_BYTES = 512 * 1024;
/** Bytes of one message. Brokers accept more. */
const PIECE_BYTES_MAX = 64 * 1024;
const NAME_BYTES = 12;
const HEAD_BYTES = 1 + NAME_BYTES + 4;

/** What a message does. The other end answers `open` with `accept`, and counts what it has read. */
const OPEN = 1;
const ACCEPT = 2;
const DATA = 3;
const READ = 4;
const END = 5;
const BREAK = 6;

/**
 * A tunnel is a connection between two hubs over the brokers, as a byte stream. Example: hub B forwards
 * the requests of its clients to hub A, which works on subscriptions. Each request has a tunnel.
 *
 * A message has its kind (1 byte), the name of the tunnel (12), a number (4), and the bytes. The number
 * rises with the messages of one direction, and a hole ends the tunnel.
 */
export class Tunnels {
  readonly #fleet: Pick<Fleet, 'send' | 'onReceived'>;
  readonly #tunnels = new Map<string, Tunnel>();
  readonly #opening = new Map<string, (accepted: boolean) => void>();
  #onConnection: ((connection: Duplex) => void) | undefined;

  constructor(fleet: Pick<Fleet, 'send' | 'onReceived'>) {
    this.#fleet = fleet;
    fleet.onReceived((from, data) => this.#receive(from, Buffer.from(data.buffer, data.byteOffset, data.byteLength)));
  }

  get count(): number {
    return this.#tunnels.size;
  }

  /** Calls the listener with each tunnel that another hub opens. Without a listener none is accepted. */
  onConnection(listener: ((connection: Duplex) => void) | undefined): void {
    this.#onConnection = listener;
  }

  /** `undefined`: the hub did not accept within the time. */
  async open(hub: string, timeoutMs: number): Promise<Duplex | undefined> {
    const name = randomBytes(NAME_BYTES);
    const key = name.toString('latin1');
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#opening.set(key, resolve);
    const timer = setTimeout(resolve, timeoutMs, false);
    this.#fleet.send(hub, message(OPEN, name, 0));
    const isAccepted = await promise;
    clearTimeout(timer);
    this.#opening.delete(key);
    if (isAccepted) return this.#tunnels.get(key);
    // The hub may accept it later.
    this.#fleet.send(hub, message(BREAK, name, 0));
    return undefined;
  }

  /** Ends all tunnels, or those to one hub. */
  close(hub?: string): void {
    for (const tunnel of [...this.#tunnels.values()])
      if (hub === undefined || tunnel.hub === hub) tunnel.destroy(new Error('the tunnel has ended'));
  }

  #receive(from: string, data: Buffer): void {
    const kind = data[0];
    const name = data.subarray(1, 1 + NAME_BYTES);
    const key = name.toString('latin1');
    if (kind === OPEN) return this.#accept(from, name, key);
    if (kind === ACCEPT) {
      const accepted = this.#opening.get(key);
      if (accepted === undefined) return;
      this.#add(from, name, key);
      return accepted(true);
    }
    this.#tunnels.get(key)?.receive(kind, data.readUInt32BE(1 + NAME_BYTES), data.subarray(HEAD_BYTES));
  }

  #accept(from: string, name: Buffer, key: string): void {
    if (this.#onConnection === undefined) return;
    const tunnel = this.#add(from, name, key);
    this.#fleet.send(from, message(ACCEPT, name, 0));
    this.#onConnection(tunnel);
  }

  #add(hub: string, name: Buffer, key: string): Tunnel {
    const tunnel = new Tunnel(
      hub,
      (kind, number, bytes) => this.#fleet.send(hub, message(kind, name, number, bytes)),
      () => void this.#tunnels.delete(key),
    );
    this.#tunnels.set(key, tunnel);
    return tunnel;
  }
}

type SendMessage = (kind: number, number: number, bytes?: Uint8Array) => void;

class Tunnel extends Duplex {
  readonly hub: string;
  readonly #send: SendMessage;
  readonly #onClosed: () => void;
  #sentNumber = 0;
  #receivedNumber = 0;
  /** Bytes that were sent, and that the other hub has not read. */
  #unreadBytes = 0;
  #continue: (() => void) | undefined;
  /** Bytes that were received, and not reported as read. */
  #unreportedBytes = 0;
  #isPaused = false;
  #hasEnded = false;
  #hasPeerEnded = false;

  constructor(hub: string, send: SendMessage, onClosed: () => void) {
    super({ allowHalfOpen: true });
    this.hub = hub;
    this.#send = send;
    this.#onClosed = onClosed;
    // The part that uses it may have gone.
    this.on('error', () => undefined);
  }

  receive(kind: number | undefined, number: number, bytes: Buffer): void {
    if (kind === BREAK) return this.#onBroken();
    if (number !== ++this.#receivedNumber) return void this.destroy(new Error('a message of the tunnel was lost'));
    switch (kind) {
      case DATA:
        this.#unreportedBytes += bytes.length;
        this.#isPaused = !this.push(bytes);
        if (!this.#isPaused) this.#report();
        return;
      case READ: {
        this.#unreadBytes -= bytes.readUInt32BE(0);
        const next = this.#continue;
        if (this.#unreadBytes > WINDOW_BYTES) return;
        this.#continue = undefined;
        return next?.();
      }
      case END:
        this.#hasPeerEnded = true;
        this.push(null);
        return;
    }
  }

  override _read(): void {
    this.#isPaused = false;
    this.#report();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    for (let start = 0; start < chunk.length; start += PIECE_BYTES_MAX)
      this.send(DATA, chunk.subarray(start, start + PIECE_BYTES_MAX));
    this.#unreadBytes += chunk.length;
    if (this.#unreadBytes <= WINDOW_BYTES) done();
    else this.#continue = done;
  }

  override _final(done: () => void): void {
    this.send(END);
    this.#hasEnded = true;
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (error !== null || !this.#hasEnded || !this.readableEnded) this.#send(BREAK, 0);
    this.#onClosed();
    done(error);
  }

  send(kind: number, bytes?: Uint8Array): void {
    this.#send(kind, ++this.#sentNumber, bytes);
  }

  /** The other hub may have sent all that it had. That is still read. */
  #onBroken(): void {
    if (!this.#hasPeerEnded || this.readableEnded) return void this.destroy();
    this.once('end', () => this.destroy());
  }

  #report(): void {
    if (this.#unreportedBytes === 0) return;
    const count = Buffer.alloc(4);
    count.writeUInt32BE(this.#unreportedBytes);
    this.#unreportedBytes = 0;
    this.send(READ, count);
  }
}

function message(kind: number, name: Uint8Array, number: number, bytes: Uint8Array = EMPTY): Uint8Array {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(kind, 0);
  head.set(name, 1);
  head.writeUInt32BE(number, 1 + NAME_BYTES);
  return Buffer.concat([head, bytes]);
}

const EMPTY = new Uint8Array();
