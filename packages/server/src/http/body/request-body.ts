import { isUtf8 } from 'node:buffer';
import { PolycastError } from '@polycast/protocol';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { ticksOf, type WheelTimer, type TimingWheel } from '../../core/primitives/timing-wheel.ts';
import type { ByteBudget } from '../../core/primitives/byte-budget.ts';
import { tooManyBodies } from '../refusals.ts';
import { ChunkBuffer } from './chunk-buffer.ts';

/** The parts that reading a body uses. */
export interface BodyParts {
  readonly wheel: TimingWheel;
  /** The budget of all bodies that arrive in more than one piece. */
  readonly bodyBudget: ByteBudget;
  readonly settings: {
    readonly bodyBytesMax: number;
    /** The time within which the whole body has to arrive. */
    readonly bodyTimeoutMs: number;
  };
}

/** The sender of a body. */
export interface BodyOwner {
  /** Checks that the sender is still allowed, once the body has arrived. @throws PolycastError */
  check(): void;
  /** The client whose share of the budget the body uses; `undefined` for a server. */
  readonly quotaOwner: string | undefined;
}

/**
 * Reads a whole body, and checks its sender in the turn in which it ends.
 * @param bytesMax a bound below that of all bodies
 * @throws PolycastError `body_too_large`, `request_timeout`, `overloaded`, `invalid_request` (an
 * incomplete body), `unsupported_media_type` (a content coding)
 */
export function readBody(
  request: IncomingMessage,
  parts: BodyParts,
  owner: BodyOwner,
  bytesMax: number = Infinity,
): Promise<Buffer> {
  const { bodyTimeoutMs } = parts.settings;
  const bodyBytesMax = Math.min(bytesMax, parts.settings.bodyBytesMax);
  checkContentEncoding(request.headers);
  const contentLength = Number(request.headers['content-length'] ?? 0);
  if (contentLength > bodyBytesMax) return Promise.reject(bodyTooLarge(bodyBytesMax));
  // A request without a body has ended before a listener could be added (`optimizeEmptyRequests`).
  if (request.readableEnded) return Promise.resolve(NO_BYTES);
  return new Promise((resolve, reject) => {
    new BodyReader(parts, owner, bodyBytesMax, contentLength, resolve, reject).start(request, bodyTimeoutMs);
  });
}

class BodyReader implements WheelTimer {
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;
  readonly #parts: BodyParts;
  readonly #owner: BodyOwner;
  readonly #bodyBytesMax: number;
  readonly #contentLength: number;
  readonly #resolve: (body: Buffer) => void;
  readonly #reject: (error: unknown) => void;
  /** Usually the only piece. */
  #first: Buffer | undefined = undefined;
  /** All pieces, from the second one on. */
  #chunks: ChunkBuffer | undefined = undefined;
  #bytes = 0;
  /** Bytes reserved from the budget. */
  #reservedBytes = 0;
  #done = false;

  constructor(
    parts: BodyParts,
    owner: BodyOwner,
    bodyBytesMax: number,
    announced: number,
    resolve: (body: Buffer) => void,
    reject: (error: unknown) => void,
  ) {
    this.#parts = parts;
    this.#owner = owner;
    this.#bodyBytesMax = bodyBytesMax;
    this.#contentLength = announced;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(request: RequestWithReader, timeoutMs: number): void {
    this.#parts.wheel.schedule(this, ticksOf(timeoutMs));
    request[READER] = this;
    request.on('data', onData).on('end', onEnd).on('close', onClose);
  }

  onTimer(): void {
    this.#fail(new PolycastError('request_timeout'));
  }

  append(chunk: Buffer): void {
    if (this.#done) return;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bodyBytesMax) this.#fail(bodyTooLarge(this.#bodyBytesMax));
    // Nearly every body arrives in one piece. It reserves nothing and is passed on as it is.
    else if (this.#bytes !== this.#contentLength && !this.#reserve(chunk.length)) this.#fail(tooManyBodies());
    else if (this.#first === undefined) this.#first = chunk;
    else this.#appendTo(this.#first, chunk);
  }

  /** Handles `close`, which every request emits. It is an error only before the end of the body. */
  abort(): void {
    if (!this.#done) this.#fail(new PolycastError('invalid_request', 'The body ended early.'));
  }

  finish(): void {
    if (this.#done) return;
    try {
      this.#owner.check();
    } catch (error) {
      return this.#fail(error);
    }
    this.#release();
    this.#resolve(this.#chunks?.take() ?? this.#first ?? NO_BYTES);
  }

  #appendTo(first: Buffer, chunk: Buffer): void {
    if (this.#chunks === undefined) {
      this.#chunks = new ChunkBuffer();
      this.#chunks.append(first);
    }
    this.#chunks.append(chunk);
  }

  #reserve(bytes: number): boolean {
    if (!this.#parts.bodyBudget.tryReserve(bytes, this.#owner.quotaOwner)) return false;
    this.#reservedBytes += bytes;
    return true;
  }

  #release(): void {
    this.#done = true;
    this.#parts.wheel.cancel(this);
    if (this.#reservedBytes > 0) this.#parts.bodyBudget.release(this.#reservedBytes, this.#owner.quotaOwner);
  }

  #fail(error: unknown): void {
    if (this.#done) return;
    this.#release();
    this.#first = undefined;
    this.#chunks = undefined;
    this.#reject(error);
  }
}

/** A request with a reference to its reader, so that all requests share the same listeners. */
interface RequestWithReader extends IncomingMessage {
  [READER]?: BodyReader;
}

const READER: unique symbol = Symbol('reader');

function onData(this: RequestWithReader, chunk: Buffer): void {
  this[READER]?.append(chunk);
}

function onEnd(this: RequestWithReader): void {
  this[READER]?.finish();
}

function onClose(this: RequestWithReader): void {
  this[READER]?.abort();
}

const NO_BYTES = Buffer.alloc(0);

/** Decodes bytes as text. @throws PolycastError `invalid_utf8` */
export function decodeUtf8(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new PolycastError('invalid_utf8');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** @throws PolycastError `unsupported_media_type` for a compressed body */
export function checkContentEncoding(headers: IncomingHttpHeaders): void {
  const coding = headers['content-encoding'];
  if (coding !== undefined && coding !== 'identity')
    throw new PolycastError('unsupported_media_type', 'The hub accepts no bodies with a Content-Encoding.');
}

/** Calls back once at its time on the wheel. */
export class Deadline implements WheelTimer {
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;
  readonly #onDeadline: () => void;

  constructor(then: () => void) {
    this.#onDeadline = then;
  }

  onTimer(): void {
    this.#onDeadline();
  }
}

function bodyTooLarge(limit: number): PolycastError {
  return new PolycastError('body_too_large', `The limit is ${limit} bytes.`, { limit });
}
