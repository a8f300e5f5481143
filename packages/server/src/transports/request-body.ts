import { isUtf8 } from 'node:buffer';
import { PolycastError } from '@polycast/protocol';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { ticksOf, type Timed, type Wheel } from '../core/wheel.ts';
import type { ByteBudget } from '../core/byte-budget.ts';
import { Pieces } from './pieces.ts';

/** What reading bodies takes: of `Services`. */
export interface BodyServices {
  readonly wheel: Wheel;
  /** For all bodies that are being read and have not come at once. */
  readonly bodies: ByteBudget;
  readonly settings: {
    readonly bodyBytesMax: number;
    /** The whole body has to be there by then. */
    readonly bodyTimeoutMs: number;
  };
}

/** Whose body it is. */
export interface BodyOwner {
  /** Whether it still may send it, now that it is there. @throws PolycastError */
  check(): void;
  /** Whose share of the budget it takes; `undefined` for a server. */
  readonly client: string | undefined;
}

/**
 * Reads a whole body. In the turn in which it ends, its owner is checked.
 * @param bytesMax a bound below that of all bodies
 * @throws PolycastError `body_too_large`, `request_timeout`, `overloaded`, `unsupported_media_type` (a content coding)
 */
export function readBody(
  request: IncomingMessage,
  services: BodyServices,
  owner: BodyOwner,
  bytesMax: number = Infinity,
): Promise<Buffer> {
  const { bodyTimeoutMs } = services.settings;
  const bodyBytesMax = Math.min(bytesMax, services.settings.bodyBytesMax);
  checkCoding(request.headers);
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > bodyBytesMax) return Promise.reject(tooLarge(bodyBytesMax));
  // A request that announces no body has ended before anybody listens (`optimizeEmptyRequests`).
  if (request.readableEnded) return Promise.resolve(NO_BYTES);
  return new Promise((resolve, reject) => {
    new BodyReader(services, owner, bodyBytesMax, announced, resolve, reject).start(request, bodyTimeoutMs);
  });
}

class BodyReader implements Timed {
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;
  readonly #services: BodyServices;
  readonly #owner: BodyOwner;
  readonly #bodyBytesMax: number;
  readonly #announced: number;
  readonly #resolve: (body: Buffer) => void;
  readonly #reject: (error: unknown) => void;
  /** Nearly always there is no other. */
  #first: Buffer | undefined = undefined;
  /** All of them, once there is a second one. */
  #pieces: Pieces | undefined = undefined;
  #bytes = 0;
  /** Of the budget. */
  #taken = 0;
  #done = false;

  constructor(
    services: BodyServices,
    owner: BodyOwner,
    bodyBytesMax: number,
    announced: number,
    resolve: (body: Buffer) => void,
    reject: (error: unknown) => void,
  ) {
    this.#services = services;
    this.#owner = owner;
    this.#bodyBytesMax = bodyBytesMax;
    this.#announced = announced;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(request: ReadRequest, timeoutMs: number): void {
    this.#services.wheel.schedule(this, ticksOf(timeoutMs));
    request[READER] = this;
    request.on('data', onData).on('end', onEnd).on('close', onClose);
  }

  due(): void {
    this.#fail(new PolycastError('request_timeout'));
  }

  take(chunk: Buffer): void {
    if (this.#done) return;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bodyBytesMax) this.#fail(tooLarge(this.#bodyBytesMax));
    // Nearly every body comes in one piece, takes nothing of the budget, and is passed on as it is.
    else if (this.#bytes !== this.#announced && !this.#hold(chunk.length)) this.#fail(tooMany());
    else if (this.#first === undefined) this.#first = chunk;
    else this.#addTo(this.#first, chunk);
  }

  /** Every request ends with a `close`; only one that comes early means anything. */
  broke(): void {
    if (!this.#done) this.#fail(new PolycastError('invalid_request', 'The body broke off.'));
  }

  finish(): void {
    if (this.#done) return;
    try {
      this.#owner.check();
    } catch (error) {
      return this.#fail(error);
    }
    this.#end();
    this.#resolve(this.#pieces?.take() ?? this.#first ?? NO_BYTES);
  }

  #addTo(first: Buffer, chunk: Buffer): void {
    if (this.#pieces === undefined) {
      this.#pieces = new Pieces();
      this.#pieces.add(first);
    }
    this.#pieces.add(chunk);
  }

  #hold(bytes: number): boolean {
    if (!this.#services.bodies.take(bytes, this.#owner.client)) return false;
    this.#taken += bytes;
    return true;
  }

  #end(): void {
    this.#done = true;
    this.#services.wheel.cancel(this);
    if (this.#taken > 0) this.#services.bodies.giveBack(this.#taken, this.#owner.client);
  }

  #fail(error: unknown): void {
    if (this.#done) return;
    this.#end();
    this.#first = undefined;
    this.#pieces = undefined;
    this.#reject(error);
  }
}

/** A request that knows its reader, so that its listeners can be shared by all. */
interface ReadRequest extends IncomingMessage {
  [READER]?: BodyReader;
}

const READER: unique symbol = Symbol('reader');

function onData(this: ReadRequest, chunk: Buffer): void {
  this[READER]?.take(chunk);
}

function onEnd(this: ReadRequest): void {
  this[READER]?.finish();
}

function onClose(this: ReadRequest): void {
  this[READER]?.broke();
}

const NO_BYTES = Buffer.alloc(0);

/** Bytes as text. @throws PolycastError `invalid_utf8` */
export function utf8Text(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new PolycastError('invalid_utf8');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** @throws PolycastError `unsupported_media_type` for a body that is compressed */
export function checkCoding(headers: IncomingHttpHeaders): void {
  const coding = headers['content-encoding'];
  if (coding !== undefined && coding !== 'identity')
    throw new PolycastError('unsupported_media_type', 'Bodies with a Content-Encoding are not taken.');
}

/** Calls back once when its time on the wheel has come. */
export class Deadline implements Timed {
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;
  readonly #then: () => void;

  constructor(then: () => void) {
    this.#then = then;
  }

  due(): void {
    this.#then();
  }
}

function tooMany(): PolycastError {
  return new PolycastError('overloaded', 'Too many bodies are being sent at once.', { retryAfterMs: 1000 });
}

function tooLarge(limit: number): PolycastError {
  return new PolycastError('body_too_large', `At most ${limit} bytes are taken.`, { limit });
}
