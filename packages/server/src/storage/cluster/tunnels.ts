import { PolycastError } from '@polycast/protocol';
import { randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';
import type { Fleet } from './fleet.ts';

/** Bytes that may be on the way in one direction, before the other hub has read some. */
const WINDOW_BYTES = 512 * 1024;
/** Bytes of one message, if the brokers accept as many. */
const PIECE_BYTES_MAX = 64 * 1024;
/** Tunnels that a hub accepts. Each has a request that the hub answers. */
const ACCEPTED_MAX = 20_000;
/** Each hub names its open tunnels every two ticks. One that is not heard of for five ends. */
const TICK_MS = 1_000;
const ALIVE_TICKS = 2;
const SILENT_TICKS_MAX = 5;
const NAME_BYTES = 12;
const NUMBER_BYTES = 4;
const HEAD_BYTES = 1 + NAME_BYTES + NUMBER_BYTES;

/**
 * Kinds of messages. The other end answers `open` with `accept` or `refuse`,
 * and counts what it has read.
 */
const OPEN = 1;
const ACCEPT = 2;
const DATA = 3;
const READ = 4;
const END = 5;
const BREAK = 6;
const REFUSE = 7;
const ALIVE = 8;

type TunnelFleet = Pick<Fleet, 'send' | 'onReceived' | 'messageBytesMax'>;

/** Tests have other ones. */
export interface TunnelBounds {
  readonly acceptedMax?: number;
  readonly tickMs?: number;
}

/**
 * A tunnel is a connection between two hubs over the brokers, as a byte stream. Example: hub B
 * forwards the requests of its clients to hub A, which works on subscriptions. Each request has
 * a tunnel.
 *
 * A message has its kind (1 byte), the name of the tunnel (12), a number (4), and the bytes. The
 * number rises with the messages of one direction, and a hole ends the tunnel. The message `alive`
 * has the names of many tunnels, each with the number of the last message before. So both ends
 * notice a lost last message, and a hub that was killed. A message of an unknown tunnel is answered
 * with `break`.
 */
export class Tunnels {
  readonly #fleet: TunnelFleet;
  readonly #acceptedMax: number;
  readonly #tickMs: number;
  readonly #tunnels = new Map<string, Tunnel>();
  readonly #opening = new Map<string, (answer: OpenAnswer) => void>();
  #acceptedCount = 0;
  #onConnection: ((connection: Duplex) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ticks = 0;

  constructor(fleet: TunnelFleet, { acceptedMax = ACCEPTED_MAX, tickMs = TICK_MS }: TunnelBounds = {}) {
    this.#fleet = fleet;
    this.#acceptedMax = acceptedMax;
    this.#tickMs = tickMs;
    fleet.onReceived((from, data) => this.#receive(from, Buffer.from(data.buffer, data.byteOffset, data.byteLength)));
  }

  get count(): number {
    return this.#tunnels.size;
  }

  /**
   * Calls the listener with each tunnel that another hub opens.
   * Without a listener none is accepted.
   */
  onConnection(listener: ((connection: Duplex) => void) | undefined): void {
    this.#onConnection = listener;
  }

  /**
   * `undefined`: the hub did not accept within the time.
   * @throws PolycastError `overloaded` when it has as many tunnels as it may have
   */
  async open(hub: string, timeoutMs: number): Promise<Duplex | undefined> {
    const name = randomBytes(NAME_BYTES);
    const key = name.toString('latin1');
    const { promise, resolve } = Promise.withResolvers<OpenAnswer>();
    this.#opening.set(key, resolve);
    const timer = setTimeout(resolve, timeoutMs, 'none');
    this.#fleet.send(hub, message(OPEN, name, 0));
    const answer = await promise;
    clearTimeout(timer);
    this.#opening.delete(key);
    if (answer === 'accepted') return this.#tunnels.get(key);
    if (answer === 'refused') {
      const detail = 'The hub that answers this request has no room for more requests of other hubs.';
      throw new PolycastError('overloaded', detail, { retryAfterMs: 1000 });
    }
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
    if (kind === ALIVE) return this.#receiveAlive(from, data.subarray(HEAD_BYTES));
    if (kind === REFUSE) return this.#opening.get(key)?.('refused');
    if (kind === ACCEPT) {
      const accepted = this.#opening.get(key);
      // After the time it has received a `break`.
      if (accepted === undefined) return;
      this.#add(from, name, () => undefined);
      return accepted('accepted');
    }
    const tunnel = this.#tunnels.get(key);
    if (tunnel !== undefined) tunnel.receive(kind, data.readUInt32BE(1 + NAME_BYTES), data.subarray(HEAD_BYTES));
    else if (kind !== BREAK) this.#fleet.send(from, message(BREAK, name, 0));
  }

  #accept(from: string, name: Buffer, key: string): void {
    if (this.#onConnection === undefined || this.#tunnels.has(key)) return;
    if (this.#acceptedCount >= this.#acceptedMax) return this.#fleet.send(from, message(REFUSE, name, 0));
    this.#acceptedCount++;
    const tunnel = this.#add(from, name, () => void this.#acceptedCount--);
    this.#fleet.send(from, message(ACCEPT, name, 0));
    this.#onConnection(tunnel);
  }

  #add(hub: string, nameBytes: Buffer, onClosed: () => void): Tunnel {
    // The bytes of a message are part of a larger buffer.
    const name = Buffer.from(nameBytes);
    const key = name.toString('latin1');
    const tunnel = new Tunnel(hub, name, this.#fleet, () => {
      this.#tunnels.delete(key);
      onClosed();
    });
    this.#tunnels.set(key, tunnel);
    this.#timer ??= setInterval(() => this.#tick(), this.#tickMs).unref();
    return tunnel;
  }

  /**
   * Ticks and not times decide: a process that was paused first reads the messages that
   * wait for it.
   */
  #tick(): void {
    for (const tunnel of [...this.#tunnels.values()]) tunnel.tick(SILENT_TICKS_MAX);
    if (this.#ticks++ % ALIVE_TICKS === 0) this.#sendAlive();
    if (this.#tunnels.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sendAlive(): void {
    const entriesOf = new Map<string, Buffer[]>();
    for (const { hub, aliveEntry } of this.#tunnels.values()) {
      if (aliveEntry === undefined) continue;
      const entries = entriesOf.get(hub);
      if (entries === undefined) entriesOf.set(hub, [aliveEntry]);
      else entries.push(aliveEntry);
    }
    const countMax = Math.floor(pieceBytesMax(this.#fleet) / ENTRY_BYTES);
    for (const [hub, entries] of entriesOf)
      for (let start = 0; start < entries.length; start += countMax) {
        const bytes = Buffer.concat(entries.slice(start, start + countMax));
        this.#fleet.send(hub, message(ALIVE, NO_NAME, 0, bytes));
      }
  }

  #receiveAlive(from: string, entries: Buffer): void {
    for (let start = 0; start < entries.length; start += ENTRY_BYTES) {
      const name = entries.subarray(start, start + NAME_BYTES);
      const tunnel = this.#tunnels.get(name.toString('latin1'));
      if (tunnel === undefined) this.#fleet.send(from, message(BREAK, name, 0));
      else tunnel.receiveAlive(entries.readUInt32BE(start + NAME_BYTES));
    }
  }
}

type OpenAnswer = 'accepted' | 'refused' | 'none';

/** Of a message `alive`: the name of a tunnel, and the number of the last message before. */
const ENTRY_BYTES = NAME_BYTES + NUMBER_BYTES;
const NO_NAME = new Uint8Array(NAME_BYTES);

function pieceBytesMax({ messageBytesMax }: TunnelFleet): number {
  return Math.min(PIECE_BYTES_MAX, messageBytesMax - HEAD_BYTES);
}

class Tunnel extends Duplex {
  readonly hub: string;
  readonly #name: Buffer;
  readonly #fleet: TunnelFleet;
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
  /** The other end has gone. */
  #isBroken = false;
  #silentTicks = 0;

  constructor(hub: string, name: Buffer, fleet: TunnelFleet, onClosed: () => void) {
    super({ allowHalfOpen: true });
    this.hub = hub;
    this.#name = name;
    this.#fleet = fleet;
    this.#onClosed = onClosed;
    // The part that uses it may have gone.
    this.on('error', () => undefined);
  }

  /** Its name and the number of its last message. `undefined`: nobody waits for more. */
  get aliveEntry(): Buffer | undefined {
    if (this.#isBroken) return undefined;
    const entry = Buffer.alloc(ENTRY_BYTES);
    entry.set(this.#name);
    entry.writeUInt32BE(this.#sentNumber, NAME_BYTES);
    return entry;
  }

  tick(silentTicksMax: number): void {
    if (!this.#isBroken && ++this.#silentTicks > silentTicksMax) this.#onBroken(new Error('the other hub is silent'));
  }

  receiveAlive(number: number): void {
    this.#silentTicks = 0;
    if (number !== this.#receivedNumber) this.#onLost();
  }

  /**
   * Ends after all that was written. HTTP calls it after an answer,
   * also if the request was not read.
   */
  destroySoon(): void {
    if (this.writableFinished) return void this.destroy();
    this.once('finish', () => this.destroy());
    this.end();
  }

  receive(kind: number | undefined, number: number, bytes: Buffer): void {
    if (kind === BREAK) return this.#onBroken();
    this.#silentTicks = 0;
    if (number !== ++this.#receivedNumber) return this.#onLost();
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
    const bytesMax = pieceBytesMax(this.#fleet);
    for (let start = 0; start < chunk.length; start += bytesMax)
      this.#send(DATA, chunk.subarray(start, start + bytesMax));
    this.#unreadBytes += chunk.length;
    if (this.#unreadBytes <= WINDOW_BYTES) done();
    else this.#continue = done;
  }

  override _final(done: () => void): void {
    this.#send(END);
    this.#hasEnded = true;
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#isBroken && (error !== null || !this.#hasEnded || !this.readableEnded))
      this.#fleet.send(this.hub, message(BREAK, this.#name, 0));
    this.#onClosed();
    done(error);
  }

  #send(kind: number, bytes?: Uint8Array): void {
    if (!this.#isBroken) this.#fleet.send(this.hub, message(kind, this.#name, ++this.#sentNumber, bytes));
  }

  #onLost(): void {
    this.destroy(new Error('a message of the tunnel was lost'));
  }

  /** The other hub may have sent all that it had. That is still read. */
  #onBroken(error?: Error): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    if (!this.#hasPeerEnded || this.readableEnded) return void this.destroy(error);
    this.once('end', () => this.destroy());
  }

  #report(): void {
    if (this.#unreportedBytes === 0) return;
    const count = Buffer.alloc(4);
    count.writeUInt32BE(this.#unreportedBytes);
    this.#unreportedBytes = 0;
    this.#send(READ, count);
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
