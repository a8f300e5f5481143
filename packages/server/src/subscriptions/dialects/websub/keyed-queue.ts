import type { MemoryUsage } from '../../../core/primitives/byte-budget.ts';
import { detachedCopy } from '../../../core/interests/interest.ts';

/** What a queue of work may hold. */
export interface KeyedQueueBounds {
  readonly concurrentMax: number;
  readonly waitingMax: number;
  /** Of all that waits, by what `add` is told. */
  readonly waitingBytesMax: number;
}

/** Work by name: so much at once, of one name one at a time, and of what waits under one name only the newest. */
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
   * Takes it on, or says `false` when too much waits already.
   * @param bytes what the work holds while it waits, without its name
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

  /** Whether what is under way should come to its end. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Begins nothing more; resolves when what is under way is done, or has not come to its end within a second. */
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

/** A place in a map, and a closure with what it stands on. */
const ENTRY_BYTES = 400;
/** Others' servers are not waited for when the hub goes. */
const CLOSE_TIME_MS = 1000;
