import type { SubscriptionDefinition } from '../core/subscription/definition.ts';
import type { Subscription } from '../core/subscription/ports.ts';
import type { Line } from './line.ts';

/** All subscriptions there are, and the ways to find one. */
export class Registry {
  readonly #lines = new Map<string, Line>();
  /** Sorted. */
  #ids: string[] = [];
  #isSorted = true;
  readonly #byKey = new Map<string, Line>();

  get size(): number {
    return this.#lines.size;
  }

  get(id: string): Line | undefined {
    return this.#lines.get(id);
  }

  each(): Iterable<Line> {
    return this.#lines.values();
  }

  add(line: Line): void {
    const last = this.#ids[this.#ids.length - 1];
    if (last !== undefined && last > line.id) this.#isSorted = false;
    this.#ids.push(line.id);
    this.#lines.set(line.id, line);
    for (const key of keysOf(line.definition)) this.#byKey.set(key, line);
  }

  /** It is called otherwise than before. */
  renamed(line: Line, before: SubscriptionDefinition): void {
    this.#forgetKeys(line, before);
    for (const key of keysOf(line.definition)) this.#byKey.set(key, line);
  }

  remove(line: Line): void {
    if (!this.#lines.delete(line.id)) return;
    this.#forgetKeys(line, line.definition);
    this.#sort();
    this.#ids.splice(this.#indexAfter(line.id) - 1, 1);
  }

  /** The one of a dialect with a callback and a channel. */
  find(dialect: string, url: string, channel: string): Line | undefined {
    return this.#byKey.get(addressKey(dialect, url, channel));
  }

  /** The one that was made with an idempotency key. */
  findRepeated({ owner, idempotency }: Pick<SubscriptionDefinition, 'owner' | 'idempotency'>): Line | undefined {
    return idempotency === undefined ? undefined : this.#byKey.get(repeatKey(owner, idempotency.key));
  }

  list(after: string, limit: number, means: (subscription: Subscription) => boolean): Subscription[] {
    this.#sort();
    const found: Subscription[] = [];
    for (let index = this.#indexAfter(after); index < this.#ids.length && found.length < limit; index++) {
      const subscription = this.#lines.get(this.#ids[index] as string)?.subscription;
      if (subscription !== undefined && means(subscription)) found.push(subscription);
    }
    return found;
  }

  #forgetKeys(line: Line, definition: SubscriptionDefinition): void {
    for (const key of keysOf(definition)) if (this.#byKey.get(key) === line) this.#byKey.delete(key);
  }

  #sort(): void {
    if (!this.#isSorted) this.#ids.sort();
    this.#isSorted = true;
  }

  #indexAfter(id: string): number {
    let low = 0;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ids[middle] as string) <= id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function keysOf({ owner, idempotency, delivery, channels }: SubscriptionDefinition): string[] {
  const keys: string[] = [];
  if (idempotency !== undefined) keys.push(repeatKey(owner, idempotency.key));
  if (delivery.kind === 'webhook' && (delivery.dialect === 'websub' || delivery.dialect === 'rest-hooks'))
    for (const channel of channels) keys.push(addressKey(delivery.dialect, delivery.url, channel));
  return keys;
}

function repeatKey({ key, user }: SubscriptionDefinition['owner'], idempotencyKey: string): string {
  return JSON.stringify(['repeat', key ?? null, user ?? null, idempotencyKey]);
}

function addressKey(dialect: string, url: string, channel: string): string {
  return JSON.stringify([dialect, channel, url]);
}
