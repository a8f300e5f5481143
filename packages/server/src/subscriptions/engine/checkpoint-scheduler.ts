import type { StoreChange, SubscriptionStore } from '../state/subscription-store.ts';
import type { DurableConsumer } from './durable-consumer.ts';

/** Time between checkpoints, in milliseconds. */
const CHECKPOINT_INTERVAL_MS = 50;

/**
 * Writes checkpoints of changed consumers, at most every 50 ms. An event that was taken up
 * and done between two checkpoints costs no write.
 */
export class CheckpointScheduler {
  readonly #store: SubscriptionStore;
  readonly #dirty = new Set<DurableConsumer>();
  #timer: NodeJS.Timeout | undefined;

  constructor(store: SubscriptionStore) {
    this.#store = store;
  }

  markDirty(consumer: DurableConsumer): void {
    this.#dirty.add(consumer);
    this.#timer ??= setTimeout(this.#onTimer, CHECKPOINT_INTERVAL_MS);
  }

  /** The changes of a consumer since its last checkpoint. */
  checkpoint(consumer: DurableConsumer): StoreChange[] {
    const changes: StoreChange[] = [];
    const subscription = consumer.id;
    const cursor = consumer.hasTracker ? consumer.tracker.checkpoint(subscription, changes) : consumer.position;
    const { replayOf } = consumer;
    consumer.clearReportedLoss();
    if (replayOf !== undefined) {
      const isDone = consumer.hasReachedReplayEnd && (!consumer.hasTracker || consumer.tracker.size === 0);
      const reached = Math.min(cursor, replayOf.replay.through);
      replayOf.replay = { ...replayOf.replay, lost: consumer.status.lost, reached, isDone };
      changes.push(
        isDone
          ? { kind: 'replay_gone', subscription, id: replayOf.replay.id }
          : { kind: 'replay', subscription, replay: replayOf.replay },
      );
      return changes;
    }
    consumer.onCheckpoint(cursor);
    const held = consumer.hasTracker ? consumer.tracker.countBehindStored() : 0;
    changes.push({ kind: 'status', subscription, status: held > 0 ? { ...consumer.status, held } : consumer.status });
    return changes;
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
      this.#store.enqueue(this.checkpoint(consumer));
      // An open event holds back the cursor. The next checkpoint gives that event a row of its own.
      const checkpointed = consumer.replayOf?.replay.reached ?? consumer.status.cursor;
      if (consumer.hasTracker && consumer.replayOf === undefined && checkpointed < consumer.tracker.position)
        this.markDirty(consumer);
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
