import { performance } from 'node:perf_hooks';
import { setTimeout as rest } from 'node:timers/promises';
import { READ_RETRY_MS } from './lane-reads.ts';
import type { DurableConsumer } from './durable-consumer.ts';

/** The pause after a page is this many times as long as its read, so that deliveries go first. */
const IDLE_FACTOR = 4;

/**
 * Counts the pending events of subscriptions where memory alone cannot, as after a restart. It
 * reads one page of the log at a time, for one subscription after the other. It counts only
 * subscriptions whose lag was asked for.
 */
export class LagCounter {
  readonly #queued = new Set<DurableConsumer>();
  readonly #onAdvanced: (consumer: DurableConsumer) => void;
  #isRunning = false;
  #isClosed = false;

  /** @param onAdvanced called when a consumer has moved past events that it does not match */
  constructor(onAdvanced: (consumer: DurableConsumer) => void) {
    this.#onAdvanced = onAdvanced;
  }

  enqueue(consumer: DurableConsumer): void {
    if (this.#isClosed) return;
    this.#queued.add(consumer);
    if (!this.#isRunning) void this.#run();
  }

  forget(consumer: DurableConsumer): void {
    this.#queued.delete(consumer);
  }

  close(): void {
    this.#isClosed = true;
    this.#queued.clear();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // The caller gets its answer first.
    await rest(0);
    for (let [consumer] = this.#queued; consumer !== undefined; [consumer] = this.#queued) {
      this.#queued.delete(consumer);
      const startedMs = performance.now();
      const position = consumer.position;
      const isRead = await consumer.countPending().then(
        () => true,
        () => false,
      );
      if (this.#isClosed) break;
      if (consumer.position > position) this.#onAdvanced(consumer);
      if (consumer.needsCounting) this.#queued.add(consumer);
      await rest(isRead ? IDLE_FACTOR * (performance.now() - startedMs) : READ_RETRY_MS, undefined, { ref: false });
    }
    this.#isRunning = false;
  }
}
