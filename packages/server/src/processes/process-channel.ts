import type { Duplex } from 'node:stream';
import { ERRORS, PolycastError, type ErrorCode } from '@polycast/protocol';

/**
 * A channel carries named messages in order between two processes of one hub, over a Unix socket,
 * or between two hubs of a cluster. Example: a follower sends the notification `sessions`, which
 * has no answer, and the request `append`, whose answer has the outcomes.
 *
 * A frame begins with the length of the rest (4 bytes) and its kind (1). Then come the number of
 * its request (4), the length of its name (1), the name, and the body.
 */
export class ProcessChannel {
  readonly #socket: Duplex;
  readonly #handlers: MessageHandlers;
  readonly #onFault: FaultListener;
  readonly #pending = new Map<number, PendingRequest>();
  readonly #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  #lastRequest = 0;
  #isPaused = false;

  /**
   * @param onFault called with errors of handlers that are no refusals.
   * The other process does not learn them.
   */
  constructor(socket: Duplex, handlers: MessageHandlers, onFault: FaultListener) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#onFault = onFault;
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#bufferedBytes += chunk.length;
      this.#parse();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#rejectPending());
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** Bytes that the other process has not taken yet. */
  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  onClose(listener: () => void): void {
    this.#socket.on('close', listener);
  }

  /** Sends a notification: a message without an answer. */
  send(name: string, body: Buffer): void {
    this.#write(NOTIFICATION, 0, name, body);
  }

  /** @throws PolycastError: the refusal of the other process, or `log_unavailable` when it ends */
  request(name: string, body: Buffer): Promise<Buffer> {
    if (!this.isOpen) return Promise.reject(lostError());
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const id = ++this.#lastRequest;
    this.#pending.set(id, { resolve, reject });
    this.#write(REQUEST, id, name, body);
    return promise;
  }

  /** Handles no further message until `resume`. */
  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#parse();
    if (!this.#isPaused) this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  #write(kind: number, id: number, name: string, body: Buffer): void {
    if (!this.isOpen) return;
    const head = Buffer.allocUnsafe(HEAD_BYTES + name.length);
    head.writeUInt32LE(HEAD_BYTES - LENGTH_BYTES + name.length + body.length, 0);
    head.writeUInt8(kind, 4);
    head.writeUInt32LE(id, 5);
    head.writeUInt8(name.length, 9);
    head.write(name, HEAD_BYTES, 'latin1');
    this.#socket.cork();
    this.#socket.write(head);
    if (body.length > 0) this.#socket.write(body);
    this.#socket.uncork();
  }

  #parse(): void {
    while (!this.#isPaused && this.isOpen && this.#bufferedBytes >= LENGTH_BYTES) {
      const length = this.#buffered(LENGTH_BYTES).readUInt32LE(0);
      if (length > FRAME_BYTES_MAX) return void this.#socket.destroy();
      if (this.#bufferedBytes < LENGTH_BYTES + length) return;
      const frame = this.#buffered(LENGTH_BYTES + length);
      const rest = frame.subarray(LENGTH_BYTES + length);
      this.#chunks.shift();
      if (rest.length > 0) this.#chunks.unshift(rest);
      this.#bufferedBytes -= LENGTH_BYTES + length;
      this.#dispatch(frame.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
    }
  }

  /** The first chunk, which then has at least so many bytes. */
  #buffered(bytes: number): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= bytes) return first;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks.length = 0;
    this.#chunks.push(joined);
    return joined;
  }

  #dispatch(frame: Buffer): void {
    const kind = frame.readUInt8(0);
    const id = frame.readUInt32LE(1);
    const nameEnd = 6 + frame.readUInt8(5);
    const name = frame.toString('latin1', 6, nameEnd);
    const body = frame.subarray(nameEnd);
    if (kind === ANSWER) return this.#take(id)?.resolve(body);
    if (kind === REFUSAL) return this.#take(id)?.reject(decodeError(body));
    const handler = this.#handlers(name);
    if (kind === NOTIFICATION) this.#receive(name, handler, body);
    else void this.#answer(id, name, handler, body);
  }

  /** After a notification that cannot be handled the two processes may differ: they begin anew. */
  #receive(name: string, handler: MessageHandler | undefined, body: Buffer): void {
    try {
      const handled = handler?.(body);
      if (handled instanceof Promise) handled.catch((error: unknown) => this.#fail(error, name));
    } catch (error) {
      this.#fail(error, name);
    }
  }

  #fail(error: unknown, name: string): void {
    this.#onFault(error, name);
    this.close();
  }

  async #answer(id: number, name: string, handler: MessageHandler | undefined, body: Buffer): Promise<void> {
    try {
      if (handler === undefined) throw new Error('No part of this process handles this message.');
      const answer = handler(body);
      this.#write(ANSWER, id, '', (answer instanceof Promise ? await answer : answer) ?? NO_BYTES);
    } catch (error) {
      if (!(error instanceof PolycastError)) this.#onFault(error, name);
      this.#write(REFUSAL, id, '', encodeError(error));
    }
  }

  #take(id: number): PendingRequest | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #rejectPending(): void {
    for (const { reject } of this.#pending.values()) reject(lostError());
    this.#pending.clear();
  }
}

/** Handles a message. The result of a request is its answer. */
export type MessageHandler = (body: Buffer) => Buffer | void | Promise<Buffer | void>;

/** The handler of each name. */
export type MessageHandlers = (name: string) => MessageHandler | undefined;

export type FaultListener = (error: unknown, message: string) => void;

interface PendingRequest {
  readonly resolve: (body: Buffer) => void;
  readonly reject: (error: unknown) => void;
}

const NOTIFICATION = 0;
const REQUEST = 1;
const ANSWER = 2;
const REFUSAL = 3;
const LENGTH_BYTES = 4;
const HEAD_BYTES = 10;
/** More than the largest commit. A longer frame is not from this program. */
const FRAME_BYTES_MAX = 512 * 1024 * 1024;
const NO_BYTES = Buffer.alloc(0);

export function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** Only processes of the same version, started by the same program, send these bodies. */
export function decodeJson<Value>(body: Buffer): Value {
  return JSON.parse(body.toString()) as Value;
}

function encodeError(error: unknown): Buffer {
  const { code, message, extensions } = toRefusal(error);
  return encodeJson({ code, detail: message, extensions } satisfies SentError);
}

/** The text of any other error is for the log of this process: the refusal may reach a client. */
function toRefusal(error: unknown): PolycastError {
  return error instanceof PolycastError ? error : new PolycastError('internal_error');
}

function decodeError(body: Buffer): PolycastError {
  const { code, detail, extensions } = decodeJson<SentError>(body);
  return new PolycastError(code in ERRORS ? code : 'internal_error', detail, extensions);
}

interface SentError {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
}

function lostError(): PolycastError {
  return new PolycastError(
    'log_unavailable',
    'The process that owns the data has ended. Whether this change was stored is unknown.',
    { retryAfterMs: 1000 },
  );
}
