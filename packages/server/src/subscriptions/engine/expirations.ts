import type { Clock } from '../../core/ports.ts';
import type { DueItem } from '../state/due-heap.ts';
import { DeadlineTimer } from './deadline-timer.ts';
import type { DurableConsumer } from './durable-consumer.ts';

/**
 * Calls `onExpired` for each subscription at its `endsMs`. A subscription that never ends costs
 * nothing here.
 */
export class Expirations {
  readonly #timer: DeadlineTimer<Expiration>;
  readonly #expirations = new Map<DurableConsumer, Expiration>();

  constructor(clock: Clock, speed: number, onExpired: (consumer: DurableConsumer) => void) {
    this.#timer = new DeadlineTimer<Expiration>(clock, speed, ({ consumer }) => {
      this.#expirations.delete(consumer);
      onExpired(consumer);
    });
  }

  /** Schedules the end that the present definition has. An ended subscription has none. */
  schedule(consumer: DurableConsumer): void {
    const { endsMs } = consumer.definition;
    if (endsMs === undefined || consumer.status.state === 'ended') return this.cancel(consumer);
    let expiration = this.#expirations.get(consumer);
    if (expiration === undefined) this.#expirations.set(consumer, (expiration = { consumer, dueMs: 0, heapIndex: -1 }));
    this.#timer.set(expiration, endsMs);
  }

  cancel(consumer: DurableConsumer): void {
    const expiration = this.#expirations.get(consumer);
    if (expiration === undefined) return;
    this.#timer.remove(expiration);
    this.#expirations.delete(consumer);
  }

  close(): void {
    this.#timer.close();
  }
}

interface Expiration extends DueItem {
  readonly consumer: DurableConsumer;
}
