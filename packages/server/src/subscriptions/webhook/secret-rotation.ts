import type { Clock } from '../../core/ports.ts';
import { InForceError } from '../engine/durable-operations.ts';
import type { WebhookDelivery } from '../state/definition.ts';
import type { Subscription } from '../state/ports.ts';
import type { WebhookConsumer } from './webhook-consumer.ts';

/**
 * Rotations of the secrets of webhooks. During the overlap requests are signed with both.
 *
 * Example: a rotation is in force, but the disk refused it, so its caller has no secret. When it is
 * repeated, requests have the signatures of the new secret and of the one before both.
 */
export class SecretRotation {
  readonly #clock: Clock;
  readonly #redefine: (consumer: WebhookConsumer, delivery: WebhookDelivery) => Promise<Subscription>;
  /** The secret before a rotation that is in force and that the store refused. */
  readonly #unconfirmed = new WeakMap<WebhookConsumer, string>();

  /** @param redefine changes a subscription, and stores the change */
  constructor(clock: Clock, redefine: (consumer: WebhookConsumer, delivery: WebhookDelivery) => Promise<Subscription>) {
    this.#clock = clock;
    this.#redefine = redefine;
  }

  async rotate(consumer: WebhookConsumer, secret: string, overlapMs: number): Promise<Subscription> {
    const nowMs = this.#clock.nowMs();
    const inUse = this.#secretsInUse(consumer, secret, nowMs);
    const endsMs = nowMs + overlapMs;
    const secrets = [{ text: secret, endsMs: undefined }, ...inUse.map((text) => ({ text, endsMs }))];
    try {
      const subscription = await this.#redefine(consumer, { ...consumer.delivery, secrets });
      this.#unconfirmed.delete(consumer);
      return subscription;
    } catch (error) {
      // The newest of these is the one that the endpoint has.
      const inUseByEndpoint = inUse.at(-1);
      if (error instanceof InForceError && inUseByEndpoint !== undefined && !this.#unconfirmed.has(consumer))
        this.#unconfirmed.set(consumer, inUseByEndpoint);
      throw error;
    }
  }

  /**
   * The secrets that an endpoint may verify with before a rotation to `secret`: at most two, the
   * newest first. There are two if the rotation repeats one that the store refused. Nobody may know
   * the secret of that one, because the hub did not return it.
   */
  #secretsInUse(consumer: WebhookConsumer, secret: string, nowMs: number): readonly string[] {
    const [newest, previous] = consumer.delivery.secrets;
    if (newest === undefined) return [];
    const texts = [newest.text];
    const beforeRefusal = this.#unconfirmed.get(consumer);
    if (beforeRefusal !== undefined) texts.push(beforeRefusal);
    // A repetition whose first answer was lost.
    else if (newest.text === secret && previous !== undefined && (previous.endsMs ?? Infinity) > nowMs)
      texts.push(previous.text);
    return [...new Set(texts)].filter((text) => text !== secret);
  }
}
