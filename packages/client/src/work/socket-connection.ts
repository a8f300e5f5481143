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
  /** Called for messages that answer no operation. */
  readonly onMessage: (message: ServerMessage) => void;
  /** Called when the connection is lost, after all pending operations have been rejected. */
  readonly onClose: (error: EndedError) => void;
}

const OPEN_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 10_000;
/** The connection is dead after a silence of two heartbeats of the hub plus this time. */
const HEARTBEAT_MARGIN_MS = 5000;

/** One authenticated WebSocket to a hub: operations and their answers (PROTOCOL.md section 7.3). */
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
    this.#silence = setTimeout(() => this.#end('the hub stopped sending'), this.#silenceMs);
    this.#socket.onmessage = ({ data }: MessageEvent<string>) => this.#receive(data);
    this.#socket.onclose = ({ code, reason }) => this.#end(`closed with ${code} ${reason}`);
    // The `close` event gives the details.
    this.#socket.onerror = () => undefined;
  }

  /**
   * Opens a connection and sends the token. Rejects with EndedError, also when the hub refuses the
   * credentials.
   */
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

  /** Sends an operation. Rejects with EndedError when the hub refuses or the connection breaks. */
  request(message: ClientMessage): Promise<SocketAnswer> {
    const ref = ++this.#refs;
    const waiting = Promise.withResolvers<SocketAnswer>();
    if (this.#isClosed) waiting.reject(new EndedError('the connection is closed'));
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
    this.#silence = setTimeout(() => this.#end('the hub stopped sending'), this.#silenceMs);
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
    // Prevents an unhandled rejection: no caller may wait for this promise.
    this.#opened.promise.catch(() => undefined);
    this.#opened.reject(error);
    for (const waiting of this.#pendingAnswers.values()) waiting.reject(error);
    this.#pendingAnswers.clear();
    this.#options.onClose(error);
  }
}
