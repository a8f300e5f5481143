import type { StoreChange, SubscriptionStore } from '../state/ports.ts';
import type { DurableConsumer } from './durable-consumer.ts';

/** How often what has changed is handed to the store. */
const CHECKPOINT_INTERVAL_MS = 50;

/** Has noted, now and then, what has changed of the lines that were touched: what came and went in between costs nothing. */
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

  /** What there is to say of a line, now. */
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
    if (cursor !== consumer.status.cursor) consumer.status = { ...consumer.status, cursor };
    const held = consumer.hasTracker ? consumer.tracker.countBehindStored() : 0;
    changes.push({ kind: 'status', subscription, status: held > 0 ? { ...consumer.status, held } : consumer.status });
    return changes;
  }

  forget(consumer: DurableConsumer): void {
    this.#dirty.delete(consumer);
  }

  /** Everything that was touched, at once. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const consumer of dirty) {
      this.#store.enqueue(this.checkpoint(consumer));
      // Something is still under way, and holds back the cursor: next time it is written down by itself.
      const checkpointed = consumer.replayOf?.replay.reached ?? consumer.status.cursor;
      if (consumer.hasTracker && consumer.replayOf === undefined && checkpointed < consumer.tracker.position)
        this.markDirty(consumer);
      else consumer.releaseMemory();
    }
  }

  close(): void {
    this.flush();
    // What has only just been taken up and is still under way is written down by the second one: leases outlive the hub.
    this.flush();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #onTimer = (): void => this.flush();
}
