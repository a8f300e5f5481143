import { connect } from 'node:net';
import type { Logger } from '../core/ports.ts';
import { decodeJson, encodeJson, ProcessChannel, type MessageHandler } from './process-channel.ts';
import { OWNER_SOCKET, ownerLost, type Hello, type Welcome } from './process-place.ts';

/** The time between two attempts to reach the owner. */
const CONNECT_INTERVAL_MS = 25;

/**
 * A follower's link to the owner: the one process of a hub that owns its data. When the owner ends,
 * another one takes its place, and the link reaches it within some hundred milliseconds.
 *
 * Every new connection begins with `hello`, and the owner's `welcome`: the state from which its
 * further messages continue.
 */
export class OwnerLink {
  readonly #path: string;
  readonly #hello: Hello;
  readonly #logger: Logger;
  readonly #handlers = new Map<string, MessageHandler>();
  readonly #welcomed: ((welcome: Welcome) => void)[] = [];
  readonly #lost: (() => void)[] = [];
  #waiting: (() => void)[] = [];
  #channel: ProcessChannel | undefined;
  #isStarted = false;
  /** The owner that is connected has sent its state. What it says decides whether to go on. */
  #isWelcome = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(folder: string, hello: Hello, logger: Logger) {
    this.#path = `${folder}/${OWNER_SOCKET}`;
    this.#hello = hello;
    this.#logger = logger;
  }

  /** Handles the owner's messages of this name. */
  on(name: string, handler: MessageHandler): void {
    this.#handlers.set(name, handler);
  }

  /** Called with every further welcome, before any other message of that owner. */
  onWelcome(listener: (welcome: Welcome) => void): void {
    this.#welcomed.push(listener);
  }

  onLost(listener: () => void): void {
    this.#lost.push(listener);
  }

  /** Reaches the owner. Its messages after the welcome wait for `resume`. */
  start(): Promise<Welcome> {
    const { promise, resolve } = Promise.withResolvers<Welcome>();
    this.#handlers.set('welcome', (body) => {
      const welcome = decodeJson<Welcome>(body);
      if (this.#isStarted) {
        this.#isWelcome = true;
        for (const listener of this.#welcomed) listener(welcome);
        for (const ready of this.#waiting.splice(0)) ready();
        this.#logger.info({ pid: welcome.pid, head: welcome.head }, 'process: follows the new owner');
      } else {
        this.#isStarted = true;
        this.#isWelcome = true;
        this.#channel?.pause();
        resolve(welcome);
      }
    });
    this.#connect();
    return promise;
  }

  /** All parts are open: the owner's messages are handled from now on. */
  resume(): void {
    this.#channel?.resume();
  }

  get isConnected(): boolean {
    return this.#isWelcome && this.#channel?.isOpen === true;
  }

  send(name: string, body: Buffer): void {
    this.#channel?.send(name, body);
  }

  /** @throws PolycastError `log_unavailable` without an owner, or when it ends */
  request(name: string, body: Buffer): Promise<Buffer> {
    return this.#channel?.request(name, body) ?? Promise.reject(ownerLost());
  }

  /** Resolves when the owner is there. @throws PolycastError `log_unavailable` after this time */
  whenConnected(timeoutMs: number): Promise<void> {
    if (this.isConnected) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#waiting = this.#waiting.filter((waiting) => waiting !== ready);
      reject(ownerLost());
    }, timeoutMs);
    const ready = (): void => {
      clearTimeout(timer);
      resolve();
    };
    this.#waiting.push(ready);
    return promise;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#channel?.close();
  }

  #connect(): void {
    if (this.#isClosed) return;
    const socket = connect(this.#path);
    const retry = (): void => {
      this.#timer = setTimeout(() => this.#connect(), CONNECT_INTERVAL_MS);
    };
    socket.once('error', retry);
    socket.once('connect', () => {
      socket.off('error', retry);
      const channel = new ProcessChannel(
        socket,
        (name) => this.#handlers.get(name),
        (error, message) => this.#logger.error({ error, message }, 'process: message of the owner failed'),
      );
      this.#channel = channel;
      channel.onClose(() => {
        if (this.#channel === channel) {
          this.#channel = undefined;
          this.#isWelcome = false;
        }
        if (!this.#isClosed) for (const listener of this.#lost) listener();
        retry();
      });
      channel.send('hello', encodeJson(this.#hello));
    });
  }
}
