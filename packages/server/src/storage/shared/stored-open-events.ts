import type { Position } from '../../core/ports.ts';
import type { StoreChange } from '../../subscriptions/state/subscription-store.ts';

/**
 * The open events that may be in the file. They are written, or being written, and their closing is
 * not written.
 */
export class StoredOpenEvents {
  readonly #bySubscription = new Map<string, Set<Position>>();

  readonly has = (subscription: string, position: Position): boolean =>
    this.#bySubscription.get(subscription)?.has(position) === true;

  add(subscription: string, position: Position): void {
    const positions = this.#bySubscription.get(subscription);
    if (positions === undefined) this.#bySubscription.set(subscription, new Set([position]));
    else positions.add(position);
  }

  /** These changes are about to be written. */
  onSent(changes: Iterable<StoreChange>): void {
    for (const change of changes) if (change.kind === 'open') this.add(change.subscription, change.event.position);
  }

  /** These changes have been written, in this order. */
  onWritten(changes: readonly StoreChange[]): void {
    for (const change of changes) {
      if (change.kind === 'open') this.add(change.subscription, change.event.position);
      else if (change.kind === 'closed') this.#delete(change.subscription, change.position);
      else if (change.kind === 'removed') this.#bySubscription.delete(change.subscription);
    }
  }

  #delete(subscription: string, position: Position): void {
    const positions = this.#bySubscription.get(subscription);
    if (positions?.delete(position) === true && positions.size === 0) this.#bySubscription.delete(subscription);
  }
}
