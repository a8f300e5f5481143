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

export interface AppliedListener {
  onApplied(block: Block, outcome: BlockOutcome): void;
  /** The block was applied, but its outcome was lost with a crash of the view's thread. */
  onOutcomeLost(block: Block): void;
  /** This version cannot apply a block. It applies nothing more. */
  onStopped(error: Error): void;
}

/**
 * Applies the blocks of the journal to the view, in order. A view that fails, for example on a full
 * disk, gets the same blocks again: a block is never skipped.
 */
export class BlockApplier {
  readonly #view: LogView;
  readonly #listener: AppliedListener;
  #waiting: Block[] = [];
  #waitingBytes = 0;
  #ready: PromiseWithResolvers<void> | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;
  #progressMs = 0;

  constructor(view: LogView, listener: AppliedListener) {
    this.#view = view;
    this.#listener = listener;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Milliseconds since a block was applied, while blocks wait. */
  get stalledMs(): number {
    return this.#running === undefined ? 0 : performance.now() - this.#progressMs;
  }

  /** A promise while too many blocks wait. */
  get whenReady(): Promise<void> | undefined {
    if (this.#waitingBytes < WAITING_BYTES_MAX) return undefined;
    this.#ready ??= Promise.withResolvers<void>();
    return this.#ready.promise;
  }

  add(block: Block): void {
    if (this.#isStopped) return;
    this.#waiting.push(block);
    this.#waitingBytes += block.data.byteLength;
    if (this.#running !== undefined) return;
    this.#progressMs = performance.now();
    this.#running = this.#run().finally(() => (this.#running = undefined));
  }

  /** Applies nothing more after the blocks in progress. */
  async close(): Promise<void> {
    this.#isStopped = true;
    this.#ready?.resolve();
    await this.#running;
  }

  async #run(): Promise<void> {
    // Blocks of one turn of the event loop share a commit.
    await undefined;
    while (this.#waiting.length > 0 && !this.#isStopped) {
      try {
        for (const block of this.#waiting.slice(0, COMMIT_BLOCKS_MAX)) checkBlock(block);
      } catch (error) {
        this.#isStopped = true;
        return this.#listener.onStopped(error as Error);
      }
      const blocks = this.#take();
      const outcomes = await this.#view.apply(blocks).catch(() => undefined);
      if (outcomes === undefined) {
        await this.#putBack(blocks);
        continue;
      }
      this.#progressMs = performance.now();
      for (const [index, block] of blocks.entries()) this.#listener.onApplied(block, outcomes[index] as BlockOutcome);
    }
  }

  #take(): readonly Block[] {
    let bytes = 0;
    let count = 0;
    for (const { data } of this.#waiting) {
      if (count > 0 && (count >= COMMIT_BLOCKS_MAX || bytes + data.byteLength > COMMIT_BYTES_MAX)) break;
      bytes += data.byteLength;
      count++;
    }
    this.#waitingBytes -= bytes;
    if (this.#waitingBytes < WAITING_BYTES_MAX) {
      this.#ready?.resolve();
      this.#ready = undefined;
    }
    return this.#waiting.splice(0, count);
  }

  async #putBack(blocks: readonly Block[]): Promise<void> {
    do await delay(RETRY_MS);
    while (this.#view.state.unavailable !== undefined && !this.#isStopped);
    const { sequence } = this.#view.applied;
    for (const block of blocks) if (block.sequence <= sequence) this.#listener.onOutcomeLost(block);
    const rest = blocks.filter((block) => block.sequence > sequence);
    for (const { data } of rest) this.#waitingBytes += data.byteLength;
    this.#waiting.unshift(...rest);
  }
}
