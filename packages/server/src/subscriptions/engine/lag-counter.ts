import { performance } from 'node:perf_hooks';
import { setTimeout as rest } from 'node:timers/promises';
import { READ_RETRY_MS } from './lane-reads.ts';
import type { DurableConsumer } from './durable-consumer.ts';

/** After a page it rests for so many times as long as the page took: whoever waits for events goes first. */
const IDLE_FACTOR = 4;

/**
 * Counts what is ahead of subscriptions where memory alone cannot tell, as after a restart: one page of the log at a time for all of them,
 * in turn. Only those are counted that somebody has asked about.
 */
export class LagCounter {
  readonly #queued = new Set<DurableConsumer>();
  readonly #onAdvanced: (consumer: DurableConsumer) => void;
  #isRunning = false;
  #isClosed = false;

  /** @param onAdvanced told of a line that has been moved over what it does not match */
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
    // Whoever asks is answered first.
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
