import type { SubscriptionStore } from '../state/subscription-store.ts';
import type { DurableConsumer } from './durable-consumer.ts';

/** Time between checkpoints, in milliseconds. */
const CHECKPOINT_INTERVAL_MS = 50;

/**
 * Writes checkpoints of changed consumers, at most every 50 ms. An event that was taken up
 * and done between two checkpoints costs no write.
 */
export class CheckpointScheduler {
  readonly #store: Pick<SubscriptionStore, 'enqueue'>;
  readonly #dirty = new Set<DurableConsumer>();
  #timer: NodeJS.Timeout | undefined;

  constructor(store: Pick<SubscriptionStore, 'enqueue'>) {
    this.#store = store;
  }

  markDirty(consumer: DurableConsumer): void {
    this.#dirty.add(consumer);
    this.#timer ??= setTimeout(this.#onTimer, CHECKPOINT_INTERVAL_MS);
  }

  forget(consumer: DurableConsumer): void {
    this.#dirty.delete(consumer);
  }

  /** Queues a checkpoint of every changed consumer. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const consumer of dirty) {
      this.#store.enqueue(consumer.checkpoint());
      if (consumer.needsCheckpoint) this.markDirty(consumer);
      else consumer.releaseMemory();
    }
  }

  close(): void {
    this.flush();
    // The second checkpoint gives rows to events that were taken up just now, because leases
    // outlive the hub.
    this.flush();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #onTimer = (): void => this.flush();
}
