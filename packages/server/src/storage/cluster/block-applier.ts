import { setTimeout as delay } from 'node:timers/promises';
import type { Block } from '../view/block.ts';
import { checkBlock } from '../view/view-state.ts';
import type { BlockOutcome, LogView } from '../view/log-view.ts';

/** Bounds of one commit of a view that catches up. A commit has one block at least. */
const COMMIT_BLOCKS_MAX = 64;
const COMMIT_BYTES_MAX = 4 * 1024 * 1024;
/**
 * Bytes of blocks that wait. Beyond it the journal pauses: it reads faster than a view is written.
 */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
/** The interval at which a view that failed is looked at again. */
const RETRY_MS = 100;
/** Blocks whose commit nobody waits for share the commits of this interval. */
const COLLECT_MS = 20;

export interface AppliedListener {
  /**
   * Passes the events of the next block on, before it is applied. Returns false where only the view
   * can tell what the block does.
   */
  passOn(block: Block): boolean;
  onApplied(block: Block, outcome: BlockOutcome): void;
  /** The block was applied, but its outcome was lost with a crash of the view's thread. */
  onOutcomeLost(block: Block): void;
  /** This version cannot apply a block. It applies nothing more. */
  onStopped(error: Error): void;
  /** The view is lost (`LogView.isLost`). Nothing more is applied to it. */
  onViewLost(): void;
}

/**
 * Applies the blocks of the journal to the view, in order. A view that fails, for example on a full
 * disk, gets the same blocks again: a block is never skipped.
 *
 * A commit costs as much CPU as some 20 events. So blocks are collected if nobody waits for their
 * commit. Nobody does at a hub without readers, or if their events were passed on. Example: a hub
 * receives 400 blocks a second, and makes 50 commits of them.
 */
export class BlockApplier {
  readonly #view: LogView;
  readonly #listener: AppliedListener;
  readonly #silentMs: () => number;
  #waiting: WaitingBlock[] = [];
  #waitingBytes = 0;
  /** Somebody waits for the events of the blocks up to this sequence. */
  #awaitedThrough = 0;
  /** The events of blocks up to this sequence were passed on. */
  #passedOnThrough = 0;
  /** Somebody waits for the commit of the blocks up to this sequence. */
  #urgentThrough = 0;
  /** Ends the collecting. */
  #collected: (() => void) | undefined;
  /** Whether anybody waits for new events at this hub. */
  hasReaders: () => boolean = () => true;
  #ready: PromiseWithResolvers<void> | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;
  /** The view has what was confirmed before this time, while blocks wait. */
  #currentMs = 0;

  /** @param silentMs how long the journal has been silent, also while it passes a block */
  constructor(view: LogView, listener: AppliedListener, silentMs: () => number) {
    this.#view = view;
    this.#listener = listener;
    this.#silentMs = silentMs;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * How old the view is while blocks wait, in milliseconds. Example: the hub heard nothing for 6 s,
   * and for 5 s its disk has been full. The first block that waits may be 11 s old, and so may
   * the view.
   */
  get stalledMs(): number {
    return this.#running === undefined ? 0 : performance.now() - this.#currentMs;
  }

  /** A promise while too many blocks wait. */
  get whenReady(): Promise<void> | undefined {
    if (this.#waitingBytes < WAITING_BYTES_MAX) return undefined;
    this.#ready ??= Promise.withResolvers<void>();
    return this.#ready.promise;
  }

  /** @param isWaitedFor somebody waits for this block, or for those before it */
  add(block: Block, isWaitedFor: boolean): void {
    if (this.#isStopped) return;
    // Commands may end sessions.
    if (isWaitedFor || block.kind !== 'events' || this.hasReaders()) this.#awaitedThrough = block.sequence;
    const beforeMs = performance.now() - this.#silentMs();
    this.#waiting.push({ block, beforeMs });
    this.#waitingBytes += block.data.byteLength;
    this.#passOn();
    if (this.#awaitedThrough > this.#passedOnThrough)
      this.#urgentThrough = Math.max(this.#urgentThrough, this.#awaitedThrough);
    this.#stopCollectingIfUrgent();
    if (this.#running !== undefined) return;
    this.#currentMs = beforeMs;
    this.#running = this.#run();
  }

  /** Somebody waits for the commit of the blocks up to this one. */
  applyNow(sequence: number): void {
    this.#urgentThrough = Math.max(this.#urgentThrough, sequence);
    this.#stopCollectingIfUrgent();
  }

  /** Applies nothing more after the blocks in progress. */
  async close(): Promise<void> {
    this.#isStopped = true;
    this.#collected?.();
    this.#ready?.resolve();
    await this.#running;
  }

  async #run(): Promise<void> {
    // Blocks of one turn of the event loop share a commit.
    await undefined;
    await this.#applyWaiting();
    this.#running = undefined;
  }

  async #applyWaiting(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#isStopped) {
      if (!this.#isUrgent) await this.#collect();
      if (this.#isStopped) return;
      try {
        checkBlock((this.#waiting[0] as WaitingBlock).block);
      } catch (error) {
        this.#isStopped = true;
        return this.#listener.onStopped(error as Error);
      }
      const taken = this.#take();
      const blocks = taken.map(({ block }) => block);
      const outcomes = await this.#view
        .apply(blocks, this.#waiting.length > 0, this.#passedOnThrough)
        .catch(() => undefined);
      if (outcomes === undefined) {
        if (!this.#view.isLost) {
          await this.#putBack(taken);
          continue;
        }
        this.#isStopped = true;
        return this.#listener.onViewLost();
      }
      this.#currentMs = this.#waiting[0]?.beforeMs ?? performance.now();
      for (const [index, block] of blocks.entries()) this.#listener.onApplied(block, outcomes[index] as BlockOutcome);
    }
  }

  /** Passes on what somebody waits for, in order, as far as its outcome is certain. */
  #passOn(): void {
    const first = this.#waiting[0]?.block.sequence ?? 0;
    for (let at = Math.max(0, this.#passedOnThrough + 1 - first); at < this.#waiting.length; at++) {
      const { block } = this.#waiting[at] as WaitingBlock;
      if (block.sequence > this.#awaitedThrough || !this.#listener.passOn(block)) return;
      this.#passedOnThrough = block.sequence;
    }
  }

  get #isUrgent(): boolean {
    const sequence = this.#waiting[0]?.block.sequence ?? 0;
    const isFull = this.#waiting.length >= COMMIT_BLOCKS_MAX || this.#waitingBytes >= COMMIT_BYTES_MAX;
    return isFull || sequence <= this.#urgentThrough;
  }

  #stopCollectingIfUrgent(): void {
    if (this.#isUrgent) this.#collected?.();
  }

  async #collect(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, COLLECT_MS);
    this.#collected = resolve;
    await promise;
    this.#collected = undefined;
    clearTimeout(timer);
  }

  #take(): readonly WaitingBlock[] {
    let bytes = 0;
    let count = 0;
    for (const { block } of this.#waiting) {
      const { byteLength } = block.data;
      if (count > 0 && (count >= COMMIT_BLOCKS_MAX || bytes + byteLength > COMMIT_BYTES_MAX || !isKnown(block))) break;
      bytes += byteLength;
      count++;
    }
    this.#waitingBytes -= bytes;
    if (this.#waitingBytes < WAITING_BYTES_MAX) {
      this.#ready?.resolve();
      this.#ready = undefined;
    }
    return this.#waiting.splice(0, count);
  }

  async #putBack(taken: readonly WaitingBlock[]): Promise<void> {
    do await delay(RETRY_MS);
    while (this.#view.state.unavailable !== undefined && !this.#isStopped);
    const { sequence } = this.#view.applied;
    for (const { block } of taken) if (block.sequence <= sequence) this.#listener.onOutcomeLost(block);
    const rest = taken.filter(({ block }) => block.sequence > sequence);
    for (const { block } of rest) this.#waitingBytes += block.data.byteLength;
    this.#waiting.unshift(...rest);
    this.#currentMs = this.#waiting[0]?.beforeMs ?? performance.now();
  }
}

function isKnown(block: Block): boolean {
  try {
    checkBlock(block);
    return true;
  } catch {
    return false;
  }
}

interface WaitingBlock {
  readonly block: Block;
  /** When the journal was last heard before it. The block is no older. */
  readonly beforeMs: number;
}
