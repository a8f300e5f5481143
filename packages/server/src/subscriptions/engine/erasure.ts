import type { ErasedEvents, ErasedNames } from '../../core/erasure.ts';
import type { Position } from '../../core/ports.ts';
import type { DeadLetter } from '../state/ports.ts';
import type { SubscriptionStore } from '../state/subscription-store.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { DurableConsumer } from './durable-consumer.ts';

export interface SubscriptionErasureParts {
  /** Of the present log. */
  readonly epoch: string;
  readonly store: Pick<SubscriptionStore, 'eraseAttempts'>;
  readonly deadLetters: DeadLetters;
  /** All consumers, with those of replays. */
  readonly consumers: () => Iterable<DurableConsumer>;
}

/** Positions that are remembered, so that a request in flight leaves no attempt. */
const REMEMBERED_MAX = 10_000;

/**
 * Erases what subscriptions hold of erased events: events in lanes, dead letters and attempts.
 *
 * Example: event 7 of `orders.42` waits in a lane for its turn. After the erasure the lane reads
 * the log again, and the endpoint gets a gap with the reason `erased` in its place.
 */
export class SubscriptionErasure {
  readonly #parts: SubscriptionErasureParts;
  readonly #remembered = new Set<Position>();

  constructor(parts: SubscriptionErasureParts) {
    this.#parts = parts;
  }

  /** Whether any of these events was erased lately: then its attempt is not stored. */
  hasErased(records: readonly { readonly position: Position }[]): boolean {
    return this.#remembered.size > 0 && records.some(({ position }) => this.#remembered.has(position));
  }

  /** Before the log erases them: deletes dead letters and attempts, durably. */
  async prepare({ positions }: ErasedEvents): Promise<void> {
    const { epoch, store } = this.#parts;
    const erased = new Set(positions);
    for (const position of positions) this.#remembered.add(position);
    for (const position of this.#remembered) {
      if (this.#remembered.size <= REMEMBERED_MAX) break;
      this.#remembered.delete(position);
    }
    await this.#eraseDeadLetters((deadLetter) => deadLetter.epoch === epoch && erased.has(deadLetter.position));
    await store.eraseAttempts({ epoch, positions, texts: [] });
  }

  /** After the log has erased them: no lane sends an erased event from memory. */
  release({ channels }: ErasedEvents): void {
    for (const consumer of this.#parts.consumers()) consumer.releaseErased(channels);
  }

  /** Deletes what names a channel or a user that was erased as a whole. */
  async eraseNames({ channels, texts }: ErasedNames): Promise<void> {
    const { epoch, store } = this.#parts;
    await this.#eraseDeadLetters((deadLetter) => channels.includes(deadLetter.channel));
    await store.eraseAttempts({ epoch, positions: [], texts });
  }

  async #eraseDeadLetters(isErased: (deadLetter: DeadLetter) => boolean): Promise<void> {
    for (const consumer of this.#parts.consumers())
      if (consumer.primary === consumer && consumer.deadLetterCount > 0)
        await this.#parts.deadLetters.discardWhere(consumer, isErased);
  }
}
