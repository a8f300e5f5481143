import { nanos, type Msg, type NatsConnection } from '@nats-io/transport-node';
import type { JournalFollower } from '../journal.ts';

/** Blocks of one pull at most, and bytes of them. */
const PULL_BLOCKS_MAX = 256;
const PULL_BYTES_MAX = 4 * 1024 * 1024;
/** The broker ends a pull after this time. The next one may be of another kind. */
const PULL_MS = 5_000;
/** Blocks that nobody waits for are pulled together at this interval. */
const COLLECT_MS = 100;
/** After somebody waited for a block, blocks are pulled as they come for this long. */
const AWAITED_MS = 1_000;

/** The codes with which a broker ends a pull. */
const NO_BLOCKS = 404;
const PULL_EXPIRED = 408;
const PULL_OVER = 409;
/** With `PULL_OVER` and another text, the consumer has ended too. */
const PULL_OVER_TEXTS: ReadonlySet<string> = new Set(['Batch Completed', 'Message Size Exceeds MaxBytes']);

/**
 * `stream`: blocks as they come. `one`: the next block, when it comes. `those`: the blocks that are
 * there.
 */
type PullKind = 'stream' | 'one' | 'those';

interface Pull {
  readonly number: number;
  readonly kind: PullKind;
  /** The blocks that it may still bring. */
  left: number;
}

interface PullsParts {
  readonly connection: Pick<NatsConnection, 'publish'>;
  readonly stream: string;
  readonly consumer: string;
  /** The answers to pull 7 arrive at this subject and `7`. */
  readonly inbox: string;
  readonly beatMs: number;
  readonly follower: Pick<JournalFollower, 'whenReady' | 'mayWait'>;
}

/**
 * Asks one consumer for its blocks. Where somebody waits for new blocks, a pull brings each as it
 * comes. Where nobody does, a message for each block would cost a hub and its broker more than the
 * block. So the hub asks for the blocks of 100 ms together, until there are none. Then it asks
 * for the next one. Example: a hub without readers gets 1,000 blocks a second in 10 pulls.
 */
export class BlockPulls {
  readonly #parts: PullsParts;
  readonly #subject: string;
  /** Those that are not over, in the order in which the broker serves them. */
  #pulls: Pull[] = [];
  #asked = 0;
  #timer: NodeJS.Timeout | undefined;
  #awaitedUntilMs = -Infinity;
  #isPaused = false;
  #closed = false;

  constructor(parts: PullsParts) {
    this.#parts = parts;
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${parts.stream}.${parts.consumer}`;
    this.#askNext();
  }

  /** Nothing is asked for, since the follower has blocks enough: no beats come. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Somebody waits for a block that the journal has. */
  deliverNow(): void {
    this.#awaitedUntilMs = performance.now() + AWAITED_MS;
    if (this.#pulls.at(-1)?.kind === 'stream' || this.#isPaused || this.#closed) return;
    clearTimeout(this.#timer);
    this.#ask('stream');
  }

  /** A block has arrived. @param pending the blocks that the consumer has after it */
  onBlock(pending: number): void {
    const [pull] = this.#pulls;
    if (pull === undefined) return;
    pull.left--;
    if (pull.left === 0 || (pull.kind === 'those' && pending === 0)) {
      this.#pulls.shift();
      if (this.#pulls.length > 0) return;
      if (pending > 0) this.#askNext('those');
      else if (!this.#mayWait) this.#askNext();
      else this.#timer = setTimeout(() => this.#askNext('those'), COLLECT_MS);
    } else if (pull.kind === 'stream' && pull.left === PULL_BLOCKS_MAX / 2 && !this.#mayWait) {
      // The broker has the next pull before this one is over.
      this.#askNext();
    }
  }

  /** The broker has ended a pull. Returns false if the consumer itself has ended. */
  onEnd({ subject, headers }: Msg): boolean {
    const { code = 0, description = '' } = headers ?? {};
    const isOver = code === NO_BLOCKS || code === PULL_EXPIRED;
    if (!isOver && !(code === PULL_OVER && PULL_OVER_TEXTS.has(description))) return false;
    const number = Number(subject.slice(this.#parts.inbox.length));
    const { length } = this.#pulls;
    this.#pulls = this.#pulls.filter((pull) => pull.number !== number);
    if (length > 0 && this.#pulls.length === 0) this.#askNext();
    return true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** @param patient the pull if nobody waits for new blocks */
  #askNext(patient: PullKind = 'one'): void {
    const { whenReady } = this.#parts.follower;
    if (this.#closed || this.#isPaused) return;
    if (whenReady === undefined) return this.#ask(this.#mayWait ? patient : 'stream');
    this.#isPaused = true;
    void whenReady.then(() => {
      this.#isPaused = false;
      this.#askNext();
    });
  }

  get #mayWait(): boolean {
    return this.#parts.follower.mayWait && performance.now() > this.#awaitedUntilMs;
  }

  #ask(kind: PullKind): void {
    const { connection, inbox, beatMs } = this.#parts;
    const number = ++this.#asked;
    const left = kind === 'one' ? 1 : PULL_BLOCKS_MAX;
    this.#pulls.push({ number, kind, left });
    const ask = {
      batch: left,
      ...(kind !== 'one' && { max_bytes: PULL_BYTES_MAX }),
      ...(kind === 'those' ? { no_wait: true } : { expires: nanos(PULL_MS), idle_heartbeat: nanos(beatMs) }),
    };
    try {
      connection.publish(this.#subject, JSON.stringify(ask), { reply: `${inbox}${number}` });
    } catch {
      // The client is closed. The follower's watch notices the silence.
    }
  }
}
