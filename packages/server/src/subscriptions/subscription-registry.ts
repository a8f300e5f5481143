import type { DialectName, SubscriptionDefinition } from './state/definition.ts';
import type { Dialects } from './state/dialect.ts';
import type { Subscription } from './state/ports.ts';
import { noSuchSubscription, notForPullingError, notForSendingError } from './state/refusals.ts';
import { PullConsumer } from './pull/pull-consumer.ts';
import { WebhookConsumer } from './webhook/webhook-consumer.ts';

/** The consumer of a subscription, of either kind. */
export type SubscriptionConsumer = WebhookConsumer | PullConsumer;

/** All subscriptions, with indexes to find one. */
export class SubscriptionRegistry {
  readonly #dialects: Dialects;
  readonly #consumers = new Map<string, SubscriptionConsumer>();
  /** Sorted when `#isSorted`. */
  #ids: string[] = [];
  #isSorted = true;
  readonly #byKey = new Map<string, SubscriptionConsumer>();

  constructor(dialects: Dialects) {
    this.#dialects = dialects;
  }

  get size(): number {
    return this.#consumers.size;
  }

  get(id: string): SubscriptionConsumer | undefined {
    return this.#consumers.get(id);
  }

  /** @throws PolycastError `not_found` */
  existing(id: string): SubscriptionConsumer {
    const consumer = this.#consumers.get(id);
    if (consumer === undefined) throw noSuchSubscription();
    return consumer;
  }

  /** @throws PolycastError `not_found`; `subscription_not_active` for a pull subscription */
  webhook(id: string): WebhookConsumer {
    const consumer = this.existing(id);
    if (consumer instanceof WebhookConsumer) return consumer;
    throw notForSendingError();
  }

  findWebhook(id: string): WebhookConsumer | undefined {
    const consumer = this.#consumers.get(id);
    return consumer instanceof WebhookConsumer ? consumer : undefined;
  }

  /** @throws PolycastError `not_found`; `subscription_not_active` for a webhook */
  pull(id: string): PullConsumer {
    const consumer = this.existing(id);
    if (consumer instanceof PullConsumer) return consumer;
    throw notForPullingError();
  }

  all(): Iterable<SubscriptionConsumer> {
    return this.#consumers.values();
  }

  add(consumer: SubscriptionConsumer): void {
    const last = this.#ids[this.#ids.length - 1];
    if (last !== undefined && last > consumer.id) this.#isSorted = false;
    this.#ids.push(consumer.id);
    this.#consumers.set(consumer.id, consumer);
    for (const key of this.#indexKeysOf(consumer.definition)) this.#byKey.set(key, consumer);
  }

  /** Updates the indexes after a change of the definition. */
  reindex(id: string, before: SubscriptionDefinition): void {
    const consumer = this.existing(id);
    this.#removeKeys(consumer, before);
    for (const key of this.#indexKeysOf(consumer.definition)) this.#byKey.set(key, consumer);
  }

  remove(consumer: SubscriptionConsumer): void {
    if (!this.#consumers.delete(consumer.id)) return;
    this.#removeKeys(consumer, consumer.definition);
    this.#sort();
    this.#ids.splice(this.#indexAfter(consumer.id) - 1, 1);
  }

  /** The subscription with a URL and a channel, for a dialect that is keyed by them. */
  find(dialect: DialectName, url: string, channel: string): SubscriptionConsumer | undefined {
    return this.#byKey.get(endpointIndexKey(dialect, url, channel));
  }

  /** The subscription that was created with an idempotency key. */
  findByIdempotencyKey({
    owner,
    idempotency,
  }: Pick<SubscriptionDefinition, 'owner' | 'idempotency'>): SubscriptionConsumer | undefined {
    return idempotency === undefined ? undefined : this.#byKey.get(idempotencyIndexKey(owner, idempotency.key));
  }

  findByName(name: string): SubscriptionConsumer | undefined {
    return this.#byKey.get(nameIndexKey(name));
  }

  list(after: string, limit: number, predicate: (subscription: Subscription) => boolean): Subscription[] {
    this.#sort();
    const found: Subscription[] = [];
    for (let index = this.#indexAfter(after); index < this.#ids.length && found.length < limit; index++) {
      const subscription = this.#consumers.get(this.#ids[index] as string)?.subscription;
      if (subscription !== undefined && predicate(subscription)) found.push(subscription);
    }
    return found;
  }

  #removeKeys(consumer: SubscriptionConsumer, definition: SubscriptionDefinition): void {
    for (const key of this.#indexKeysOf(definition)) if (this.#byKey.get(key) === consumer) this.#byKey.delete(key);
  }

  #indexKeysOf({ owner, idempotency, name, delivery, channels }: SubscriptionDefinition): string[] {
    const keys: string[] = [];
    if (idempotency !== undefined) keys.push(idempotencyIndexKey(owner, idempotency.key));
    if (name !== undefined) keys.push(nameIndexKey(name));
    if (delivery.kind === 'webhook' && this.#dialects.get(delivery.dialect).isKeyedByEndpoint)
      for (const channel of channels) keys.push(endpointIndexKey(delivery.dialect, delivery.url, channel));
    return keys;
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

function idempotencyIndexKey({ key, user }: SubscriptionDefinition['owner'], idempotencyKey: string): string {
  return JSON.stringify(['repeat', key ?? null, user ?? null, idempotencyKey]);
}

function nameIndexKey(name: string): string {
  return JSON.stringify(['name', name]);
}

function endpointIndexKey(dialect: DialectName, url: string, channel: string): string {
  return JSON.stringify([dialect, channel, url]);
}
