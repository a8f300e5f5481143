import { rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import type { Logger } from '../core/ports.ts';
import { decodeJson, encodeJson, ProcessChannel, type MessageHandler } from './process-channel.ts';
import { OWNER_SOCKET, type Hello, type Welcome } from './process-place.ts';

/**
 * Bytes that a follower may leave in its socket. Beyond it the owner ends the link: the follower
 * has stopped, and is replaced or comes back to the owner's state.
 */
const QUEUED_BYTES_MAX = 256 * 1024 * 1024;

/** How often the owner compares a state that it has sent with the present one. */
const STATE_INTERVAL_MS = 100;
/** It is sent again after this many comparisons, so that a follower knows that the owner works. */
const REPEATED_EVERY = 10;

/** A follower, as the owner sees it. */
export interface FollowerLink {
  readonly index: number;
  readonly pid: number;
  readonly channel: ProcessChannel;
}

/** A handler of a follower's messages. */
type FollowerHandler = (link: FollowerLink, body: Buffer) => ReturnType<MessageHandler>;

/** The owner's links to all followers. */
export class FollowerLinks {
  readonly #logger: Logger;
  readonly #links = new Set<FollowerLink>();
  readonly #handlers = new Map<string, FollowerHandler>();
  readonly #opened: ((link: FollowerLink) => void)[] = [];
  readonly #closed: ((link: FollowerLink) => void)[] = [];
  readonly #server: Server;
  #welcome: (() => Omit<Welcome, 'pid'>) | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
    this.#server = createServer((socket) => {
      let link: FollowerLink | undefined;
      const channel = new ProcessChannel(
        socket,
        (name) => {
          if (name === 'hello') return (body) => void (link = this.#open(channel, body));
          const handler = this.#handlers.get(name);
          return link === undefined || handler === undefined ? undefined : handler.bind(undefined, link);
        },
        (error, message) => logger.error({ error, message, pid: link?.pid }, 'process: message of a follower failed'),
      );
      channel.onClose(() => link !== undefined && this.#close(link));
    });
  }

  /** Listens. The welcome of each follower has the state of that moment. */
  async listen(folder: string, welcome: () => Omit<Welcome, 'pid'>): Promise<void> {
    this.#welcome = welcome;
    const path = `${folder}/${OWNER_SOCKET}`;
    // Of the owner before, which has ended: this process has the lock of the data folder.
    rmSync(path, { force: true });
    this.#server.listen(path);
    await once(this.#server, 'listening');
  }

  get all(): Iterable<FollowerLink> {
    return this.#links;
  }

  get count(): number {
    return this.#links.size;
  }

  /** Handles the followers' messages of this name. */
  on(name: string, handler: FollowerHandler): void {
    this.#handlers.set(name, handler);
  }

  /** Called after the welcome of a follower. */
  onOpened(listener: (link: FollowerLink) => void): void {
    this.#opened.push(listener);
  }

  onClosed(listener: (link: FollowerLink) => void): void {
    this.#closed.push(listener);
  }

  /** Sends a message to every follower. */
  broadcast(name: string, body: Buffer): void {
    for (const { channel, pid } of this.#links) {
      channel.send(name, body);
      if (channel.queuedBytes <= QUEUED_BYTES_MAX) continue;
      this.#logger.warn({ pid }, 'process: the follower does not read, its link is closed');
      channel.close();
    }
  }

  /**
   * Sends every follower a state of the owner: after its welcome, with each change, every second.
   * @param read returns what JSON can hold
   * @returns ends it
   */
  keepSending(name: string, read: () => unknown): () => void {
    let sent = '';
    let comparisons = 0;
    this.onOpened(({ channel }) => channel.send(name, encodeJson(read())));
    const timer = setInterval(() => {
      const state = JSON.stringify(read());
      if (state === sent && ++comparisons % REPEATED_EVERY > 0) return;
      sent = state;
      this.broadcast(name, Buffer.from(state));
    }, STATE_INTERVAL_MS);
    timer.unref();
    return () => clearInterval(timer);
  }

  /** Asks every follower. A follower that ends, or is silent for this time, gives no answer. */
  async ask<Answer>(name: string, body: Buffer, timeoutMs: number): Promise<ReadonlyMap<FollowerLink, Answer>> {
    const answers = new Map<FollowerLink, Answer>();
    await Promise.all(
      Array.from(this.#links, async (link) => {
        const answer = await withTimeout(link.channel.request(name, body), timeoutMs);
        if (answer !== undefined) answers.set(link, answer.length === 0 ? (undefined as Answer) : decodeJson(answer));
      }),
    );
    return answers;
  }

  close(): void {
    this.#server.close();
    for (const { channel } of this.#links) channel.close();
  }

  #open(channel: ProcessChannel, body: Buffer): FollowerLink {
    const link = { ...decodeJson<Hello>(body), channel };
    const welcome = this.#welcome;
    if (welcome !== undefined) channel.send('welcome', encodeJson({ ...welcome(), pid: process.pid }));
    this.#links.add(link);
    for (const listener of this.#opened) listener(link);
    return link;
  }

  #close(link: FollowerLink): void {
    this.#links.delete(link);
    for (const listener of this.#closed) listener(link);
  }
}

/** The value, or `undefined` if the promise rejects or takes longer. */
async function withTimeout<Value>(promise: Promise<Value>, timeoutMs: number): Promise<Value | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, timeoutMs, undefined);
  try {
    return await Promise.race([promise, late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
