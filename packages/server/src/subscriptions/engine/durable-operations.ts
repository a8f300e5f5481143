import { PolycastError } from '@polycast/protocol';
import type { StoreChange, SubscriptionStore } from '../state/subscription-store.ts';

/**
 * The operations on subscriptions that the store has to write, and how many of them are durable.
 *
 * Example: a request pauses a subscription, and its commit is in flight. A second request finds the
 * subscription paused. `whenDurable` lets its answer wait for the commit of the first.
 */
export class DurableOperations {
  readonly #store: Pick<SubscriptionStore, 'write' | 'enqueue'>;
  /** Operations so far. */
  #count = 0;
  /**
   * Operations that are durable. At the start not even none: the process before may have been
   * killed between a write and its sync.
   */
  #durableCount = -1;

  constructor(store: Pick<SubscriptionStore, 'write' | 'enqueue'>) {
    this.#store = store;
  }

  /** Writes changes that take effect once they are durable. */
  write(changes: readonly StoreChange[]): Promise<void> {
    this.#count++;
    return this.#store.write(changes);
  }

  /**
   * Stores changes that are in force. The store repeats a write that fails.
   * @throws InForceError
   */
  async store(changes: readonly StoreChange[]): Promise<void> {
    this.#count++;
    this.#store.enqueue(changes);
    await this.whenDurable();
  }

  /** @throws InForceError for any operation that is not stored yet */
  async whenDurable(): Promise<void> {
    const count = this.#count;
    if (this.#durableCount >= count) return;
    try {
      await this.#store.write([]);
    } catch (error) {
      throw error instanceof PolycastError ? new InForceError(error) : error;
    }
    this.#durableCount = Math.max(this.#durableCount, count);
  }
}

/** The disk has refused a change that is in force: `log_full` or `log_unavailable`. */
export class InForceError extends PolycastError {
  constructor({ code, cause }: PolycastError) {
    super(
      code,
      'The change is in force. The hub stores it when the disk accepts it, and loses it if it stops before.',
      {
        retryAfterMs: 1000,
      },
      { cause },
    );
  }
}
