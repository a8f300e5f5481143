import { PolycastError } from '@polycast/protocol';
import type { ErasureListener, EraseOrder, LogErasing, Overwritten } from '../../core/ports.ts';
import type { OtherHubs } from '../../core/cluster-state.ts';
import type { BlockEffect, LogView } from '../view/log-view.ts';
import { commandBytes } from '../view/view-state.ts';
import type { ReadBarrier } from './read-barrier.ts';
import { refusalOfOlderHub, SHARED_ERASURE_LEVEL, type Fleet } from './fleet.ts';

/**
 * Files are overwritten this long after the newest order, or when the hub that erases asks for it.
 */
const QUIET_MS = 2_000;
/** The pause between two steps, as of a hub without a cluster. */
const STEP_PAUSE_MS = 5;
/** The pause while a reader of the file holds back a step, and after a failure. */
const BUSY_PAUSE_MS = 200;
const RETRY_MS = 1_000;
/** The longest wait for a block before another hub is answered. It gives an answer two seconds. */
const REACH_MAX_MS = 1_000;

export interface ClusterErasingParts {
  readonly view: Pick<LogView, 'overwrite' | 'applied'>;
  readonly fleet: Pick<Fleet, 'hubs'>;
  readonly others: OtherHubs;
  /** Appends an `erase` block, and resolves with what this hub's view says of it. */
  readonly command: (data: Uint8Array) => Promise<BlockEffect>;
  readonly barrier: Pick<ReadBarrier, 'whenApplied'>;
  readonly logger: { error(fields: object, message: string): void };
}

/** Asks a hub whether its files have no byte of what was erased up to this block. */
interface OverwriteQuestion {
  readonly kind: 'overwrite';
  readonly through: number;
}

/**
 * Erasing in a cluster. One hub decides what to erase, each order is a block, and every view
 * carries it out. Then each hub overwrites its own files, also one that was stopped meanwhile.
 *
 * Example: hub A erases the event 7. Block 90 has the order. Hub B applies it, drops the event from
 * memory, and overwrites its file. A asks B, and the erasure is finished when both are done.
 */
export class ClusterErasing implements LogErasing {
  readonly #parts: ClusterErasingParts;
  #listener: ErasureListener | undefined;
  /** Orders whose names this hub has not erased yet. */
  #names: EraseOrder[] = [];
  /**
   * Orders that this hub has applied, and those of them whose bytes are overwritten.
   * The first one stands for an earlier process.
   */
  #applied = 1;
  #overwritten = 0;
  #stepping: Promise<Overwritten> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The last step failed, and the next one waits. */
  #isRetrying = false;
  #isClosed = false;

  constructor(parts: ClusterErasingParts) {
    this.#parts = parts;
    parts.others.onAsked((question) => (isOverwriteQuestion(question) ? this.#answer(question) : undefined));
  }

  set listener(listener: ErasureListener) {
    this.#listener = listener;
  }

  /**
   * The view has all that the journal had.
   * What an earlier process did not overwrite is overwritten now.
   */
  start(): void {
    this.#runIn(0);
  }

  async erase(order: EraseOrder): Promise<number> {
    const refusal = refusalOfOlderHub(this.#parts.fleet, SHARED_ERASURE_LEVEL, 'erasures');
    if (refusal !== undefined) throw refusal;
    const { epoch } = this.#parts.view.applied;
    const outcome = await this.#parts.command(commandBytes({ epoch, ...order }));
    // There is a new epoch by now.
    if (outcome.kind !== 'erased') throw new PolycastError('outcome_unknown', undefined, { retryAfterMs: 1000 });
    return outcome.removed;
  }

  async overwrite(): Promise<Overwritten> {
    if (this.#isClosed) throw new PolycastError('log_unavailable', 'The log is closed.');
    const own = await this.#step();
    if (own !== 'done') return own;
    const question: OverwriteQuestion = { kind: 'overwrite', through: this.#parts.view.applied.sequence };
    const { answers, silentHubs } = await this.#parts.others.ask<boolean>(question);
    return silentHubs === 0 && answers.every((isDone) => isDone) ? 'done' : 'busy';
  }

  /** The view of this hub has carried out an order of any hub. */
  onApplied(order: EraseOrder): void {
    if (order.positions.length > 0) this.#listener?.events(order.positions);
    if (order.channels.length > 0 || order.user !== undefined) this.#names.push(order);
    this.#applied++;
    this.#runIn(QUIET_MS);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#stepping?.catch(() => undefined);
  }

  /** Files of this hub may have erased bytes. */
  get #isDue(): boolean {
    return this.#overwritten < this.#applied;
  }

  async #answer({ through }: OverwriteQuestion): Promise<boolean> {
    const { barrier, view } = this.#parts;
    // A hub may collect blocks before it applies them.
    await barrier.whenApplied(through, REACH_MAX_MS).catch(() => undefined);
    const isDone = !this.#isDue && view.applied.sequence >= through;
    if (this.#isDue && !this.#isRetrying) this.#runIn(0);
    return isDone;
  }

  #runIn(ms: number): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#run(), ms);
    this.#timer.unref();
  }

  async #run(): Promise<void> {
    const wasRetrying = this.#isRetrying;
    this.#isRetrying = false;
    try {
      const result = await this.#step();
      if (result === 'more') this.#runIn(STEP_PAUSE_MS);
      else if (result === 'busy') this.#runIn(BUSY_PAUSE_MS);
      else if (result === 'no_room') this.#runIn(RETRY_MS);
    } catch (error) {
      if (this.#isClosed) return;
      if (!wasRetrying)
        this.#parts.logger.error({ error: String(error) }, 'cluster: overwriting what was erased failed, retrying');
      this.#isRetrying = true;
      this.#runIn(RETRY_MS);
    }
  }

  /** One step for this hub's files. One runs at a time. */
  #step(): Promise<Overwritten> {
    this.#stepping ??= this.#stepOnce().finally(() => (this.#stepping = undefined));
    return this.#stepping;
  }

  async #stepOnce(): Promise<Overwritten> {
    for (let [next] = this.#names; next !== undefined; [next] = this.#names) {
      await this.#listener?.names(next.user);
      this.#names = this.#names.filter((order) => order !== next);
    }
    const applied = this.#applied;
    const result = await this.#parts.view.overwrite();
    if (result !== 'done') return result;
    this.#overwritten = applied;
    // An order may have come meanwhile.
    return this.#isDue ? 'more' : 'done';
  }
}

function isOverwriteQuestion(question: unknown): question is OverwriteQuestion {
  return (question as { readonly kind?: unknown }).kind === 'overwrite';
}
