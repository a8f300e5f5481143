import type { SubscriptionRowKind, SubscriptionRows } from '../view/subscription-state.ts';

/** The rows of subscriptions in a view in memory. */
export class MemorySubscriptionRows implements SubscriptionRows {
  /** By subscription, kind and name. */
  readonly #bySubscription = new Map<string, Map<SubscriptionRowKind, Map<string, string>>>();

  get(kind: SubscriptionRowKind, subscription: string, name: string): string | undefined {
    return this.#rowsOf(kind, subscription)?.get(name);
  }

  put(kind: SubscriptionRowKind, subscription: string, name: string, value: string): void {
    let kinds = this.#bySubscription.get(subscription);
    if (kinds === undefined) this.#bySubscription.set(subscription, (kinds = new Map()));
    let rows = kinds.get(kind);
    if (rows === undefined) kinds.set(kind, (rows = new Map()));
    rows.set(name, value);
  }

  delete(kind: SubscriptionRowKind, subscription: string, name: string): number {
    return Number(this.#rowsOf(kind, subscription)?.delete(name) ?? false);
  }

  deleteAll(subscription: string): number {
    let count = 0;
    for (const rows of this.#bySubscription.get(subscription)?.values() ?? []) count += rows.size;
    this.#bySubscription.delete(subscription);
    return count;
  }

  page(kind: SubscriptionRowKind, subscription: string, after: string, limit: number): readonly string[] {
    return [...(this.#rowsOf(kind, subscription) ?? [])]
      .filter(([name]) => after === '' || name > after)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .slice(0, limit)
      .map(([, value]) => value);
  }

  count(kind: SubscriptionRowKind, subscription: string): number {
    return this.#rowsOf(kind, subscription)?.size ?? 0;
  }

  ids(after: string, limit: number): readonly string[] {
    return [...this.#bySubscription]
      .filter(([id, kinds]) => id > after && kinds.has('status'))
      .map(([id]) => id)
      .toSorted()
      .slice(0, limit);
  }

  #rowsOf(kind: SubscriptionRowKind, subscription: string): Map<string, string> | undefined {
    return this.#bySubscription.get(subscription)?.get(kind);
  }
}
