import {
  SUBPROTOCOL,
  type ClientMessage,
  type PolycastEvent,
  type Problem,
  type ServerMessage,
} from '@polycast/protocol';
import { EndedError, refusedEnding } from '../http.ts';

/** An answer to an operation. */
export type SocketAnswer = ServerMessage & { readonly ok: true };

export interface SocketConnectionOptions {
  readonly url: URL;
  readonly token: string | undefined;
  readonly WebSocket: typeof WebSocket;
  /** What comes by itself. */
  readonly onMessage: (message: ServerMessage) => void;
  /** The line is gone; all that waited for answers has been told. */
  readonly onClose: (error: EndedError) => void;
}

const OPEN_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 10_000;
/** Silence means death after two of the hub's heartbeats and this. */
const HEARTBEAT_MARGIN_MS = 5000;

/** One WebSocket to a hub, opened and made known: operations and their answers (PROTOCOL.md section 7.3). */
export class SocketConnection {
  readonly #socket: WebSocket;
  readonly #options: SocketConnectionOptions;
  readonly #pendingAnswers = new Map<number, PromiseWithResolvers<SocketAnswer>>();
  readonly #opened = Promise.withResolvers<void>();
  #refs = 0;
  #silence: ReturnType<typeof setTimeout>;
  #silenceMs = OPEN_TIMEOUT_MS;
  #isClosed = false;

  private constructor(options: SocketConnectionOptions) {
    this.#options = options;
    this.#socket = new options.WebSocket(options.url, SUBPROTOCOL);
    this.#silence = setTimeout(() => this.#end('the hub has fallen silent'), this.#silenceMs);
    this.#socket.onmessage = ({ data }: MessageEvent<string>) => this.#receive(data);
    this.#socket.onclose = ({ code, reason }) => this.#end(`closed with ${code} ${reason}`);
    // What there is to say of it comes with its close.
    this.#socket.onerror = () => undefined;
  }

  /** Rejects with EndedError, or as the hub refuses the credentials. */
  static async open(options: SocketConnectionOptions): Promise<SocketConnection> {
    const connection = new SocketConnection(options);
    await connection.#opened.promise;
    if (options.token === undefined) return connection;
    try {
      await connection.request({ op: 'auth', token: options.token });
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  /** Rejects with EndedError when the hub refuses, or the line breaks. */
  request(message: ClientMessage): Promise<SocketAnswer> {
    const ref = ++this.#refs;
    const waiting = Promise.withResolvers<SocketAnswer>();
    if (this.#isClosed) waiting.reject(new EndedError('the connection is gone'));
    else {
      this.#pendingAnswers.set(ref, waiting);
      this.#socket.send(JSON.stringify({ ...message, ref }));
      const overdue = setTimeout(() => this.#end('no answer'), ANSWER_TIMEOUT_MS);
      void waiting.promise.catch(() => undefined).then(() => clearTimeout(overdue));
    }
    return waiting.promise;
  }

  close(): void {
    this.#end('closed');
  }

  #receive(data: string): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#end('the hub has fallen silent'), this.#silenceMs);
    let message: ServerMessage | PolycastEvent;
    try {
      message = JSON.parse(data) as typeof message;
    } catch {
      return this.#end('no hub');
    }
    if (!('op' in message)) return;
    if (message.op === 'ready') {
      this.#silenceMs = 2 * message.heartbeatMs + HEARTBEAT_MARGIN_MS;
      return this.#opened.resolve();
    }
    const waiting = 'ref' in message ? this.#pendingAnswers.get(message.ref as number) : undefined;
    if (waiting === undefined) return this.#options.onMessage(message);
    const answer = message as { readonly ref: number; readonly ok: boolean; readonly error: Problem };
    this.#pendingAnswers.delete(answer.ref);
    if (answer.ok) waiting.resolve(message as SocketAnswer);
    else waiting.reject(new EndedError(refusedEnding(answer.error)));
  }

  #end(why: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#silence);
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(1000);
    const error = new EndedError(why);
    // Nobody waits for one of these that has been settled before.
    this.#opened.promise.catch(() => undefined);
    this.#opened.reject(error);
    for (const waiting of this.#pendingAnswers.values()) waiting.reject(error);
    this.#pendingAnswers.clear();
    this.#options.onClose(error);
  }
}
