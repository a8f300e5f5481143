import type { ChannelTrim } from './channel-tail.ts';
import type { TrimOrder } from './ports.ts';
import { assertSorted } from './primitives/invariant.ts';
import type { Tail } from './tail.ts';

/** The time for which the tail still serves events that retention removed, for slow readers. */
export const TRIM_GRACE_MS = 10_000;

/**
 * Trims that retention has carried out in the log and that the tail has yet to apply. Example: the
 * log has deleted event 7 of `orders.42` at 12:00:00. The tail serves it until 12:00:10, so that a
 * reader slightly behind misses none.
 */
export class PendingTrims {
  readonly #tailNow: () => Tail;
  /** In the order of `applyAtMs`. */
  readonly #pending: { readonly applyAtMs: number; readonly trims: readonly ChannelTrim[] }[] = [];

  constructor(tailNow: () => Tail) {
    this.#tailNow = tailNow;
  }

  add(orders: readonly TrimOrder[], nowMs: number): void {
    if (orders.length > 0)
      this.#pending.push({ applyAtMs: nowMs + TRIM_GRACE_MS, trims: this.#tailNow().trimsOf(orders) });
  }

  /** Applies the trims that are due. @returns whether there were any */
  applyDue(nowMs: number): boolean {
    let isAnyDue = false;
    for (let [first] = this.#pending; first !== undefined && first.applyAtMs <= nowMs; [first] = this.#pending) {
      this.#pending.shift();
      this.#tailNow().applyTrims(first.trims);
      isAnyDue = true;
    }
    return isAnyDue;
  }

  assertInvariants(): void {
    assertSorted(
      this.#pending.map(({ applyAtMs }) => applyAtMs),
      'pending trims: none is due before an earlier one',
    );
  }
}
