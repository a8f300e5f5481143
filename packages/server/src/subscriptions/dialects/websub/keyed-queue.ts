import type { MemoryUsage } from '../../../core/primitives/byte-budget.ts';
import { detachedCopy } from '../../../core/interests/interest.ts';

/** The bounds of a keyed queue. */
export interface KeyedQueueBounds {
  readonly concurrentMax: number;
  readonly waitingMax: number;
  /** Most bytes of all waiting tasks: `bytes` of `add`, with the names and the queue's entries. */
  readonly waitingBytesMax: number;
}

/**
 * A keyed queue runs tasks by name. At most `concurrentMax` tasks run at the same time, and one for
 * each name. Of the waiting tasks with the same name, only the newest remains.
 *
 * Example: while a task `a` runs, a second and a third task `a` are added. The third replaces the
 * second, and runs after the first.
 */
export class KeyedQueue implements MemoryUsage {
  readonly #bounds: KeyedQueueBounds;
  readonly #waiting = new Map<string, WaitingTask>();
  readonly #busy = new Set<string>();
  #isClosed = false;
  #onIdle: (() => void) | undefined;

  #bytes = 0;
  #refused = 0;

  constructor(bounds: KeyedQueueBounds) {
    this.#bounds = bounds;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get bytesMax(): number {
    return this.#bounds.waitingBytesMax;
  }

  get refused(): number {
    return this.#refused;
  }

  /**
   * Adds a task. Returns `false` if the queue is full or closed.
   * @param bytes size of the waiting task, without its name
   * @param work never rejects
   */
  add(name: string, bytes: number, work: () => Promise<void>): boolean {
    if (this.#isClosed) return false;
    const replaced = this.#waiting.get(name);
    const taskBytes = ENTRY_BYTES + 2 * name.length + bytes;
    const addedBytes = taskBytes - (replaced?.bytes ?? 0);
    const { waitingMax, waitingBytesMax } = this.#bounds;
    const isFull = replaced === undefined && this.#waiting.size >= waitingMax;
    if (isFull || (addedBytes > 0 && this.#bytes + addedBytes > waitingBytesMax)) {
      this.#refused++;
      return false;
    }
    this.#bytes += addedBytes;
    this.#waiting.set(replaced === undefined ? detachedCopy(name) : name, { bytes: taskBytes, work });
    this.#startNext();
    return true;
  }

  /** Whether the queue is closed, so that running tasks should end. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Starts no further task. Resolves when the running tasks have ended, or after one second. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting.clear();
    this.#bytes = 0;
    if (this.#busy.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CLOSE_TIME_MS);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #startNext(): void {
    for (const [name, { bytes, work }] of this.#waiting) {
      if (this.#busy.size >= this.#bounds.concurrentMax) return;
      if (this.#busy.has(name)) continue;
      this.#waiting.delete(name);
      this.#bytes -= bytes;
      this.#busy.add(name);
      void work().then(() => this.#done(name));
    }
  }

  #done(name: string): void {
    this.#busy.delete(name);
    this.#startNext();
    if (this.#busy.size === 0) this.#onIdle?.();
  }
}

interface WaitingTask {
  readonly bytes: number;
  readonly work: () => Promise<void>;
}

/** Size of a map entry and of a closure with its context. */
const ENTRY_BYTES = 400;
/** Shutdown does not wait longer for the servers of other sites. */
const CLOSE_TIME_MS = 1000;
