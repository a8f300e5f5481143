import { randomBytes } from 'node:crypto';
import { PolycastError } from '@polycast/protocol';
import type { Clock, Log, StoredRecord } from '../core/ports.ts';
import { relationOf } from '../core/access/pattern-relation.ts';
import {
  isWebhook,
  withDelivery,
  type DialectName,
  type SubscriptionDefinition,
  type WebhookDefinition,
} from './state/definition.ts';
import type { Dialects } from './state/dialect.ts';
import type {
  Attempt,
  Backlog,
  DeadLetter,
  DeadLettersQuery,
  EventPosition,
  NewSubscription,
  Replay,
  ReplayRequest,
  Sample,
  Subscription,
  SubscriptionChanges,
  SubscriptionOperations,
  SubscriptionReads,
  DeliveryStatus,
} from './state/ports.ts';
import type { SubscriptionStore } from './state/subscription-store.ts';
import type { SubscriptionSettings } from './settings.ts';
import { transition } from './state/lifecycle.ts';
import { notActiveError } from './state/refusals.ts';
import { deliveryStatusOf } from './state/delivery-status.ts';
import type { DeadLetters } from './engine/dead-letters.ts';
import type { DurableConsumer } from './engine/durable-consumer.ts';
import { DurableOperations } from './engine/durable-operations.ts';
import type { SubscriptionConsumer, SubscriptionRegistry } from './subscription-registry.ts';
import type { Replays } from './webhook/replays.ts';
import { SecretRotation } from './webhook/secret-rotation.ts';
import type { WebhookConsumer } from './webhook/webhook-consumer.ts';
import type { Lifecycle } from './engine/subscription-lifecycle.ts';
import type { EndpointVerification } from './webhook/endpoint-verification.ts';

/** The parts that the manager calls. */
export interface SubscriptionManagerParts {
  readonly dialects: Dialects;
  readonly registry: SubscriptionRegistry;
  readonly store: Pick<SubscriptionStore, 'write' | 'enqueue' | 'attempts' | 'deadLetters' | 'unavailable'>;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
  readonly clock: Clock;
  readonly replays: Replays;
  readonly verification: EndpointVerification;
  readonly deadLetters: DeadLetters;
  readonly settings: SubscriptionSettings;
  readonly createConsumer: (subscription: Subscription) => SubscriptionConsumer;
  /** Starts a new consumer, or removes one permanently. */
  readonly startConsumer: (consumer: SubscriptionConsumer) => void;
  readonly removeConsumer: (consumer: SubscriptionConsumer) => void;
  /** Called after a change of the definition. */
  readonly onRedefined: (consumer: DurableConsumer) => void;
  readonly sendTestDelivery: (consumer: WebhookConsumer, sample: Sample) => Promise<Attempt>;
}

/** How long an idempotency key returns the same subscription. */
const IDEMPOTENCY_WINDOW_MS = 86_400_000;

/** Implements the reads of durable subscriptions, and the operations on them. */
export class SubscriptionManager implements SubscriptionReads, SubscriptionOperations {
  readonly #parts: SubscriptionManagerParts;
  /** Number of subscriptions that wait for their endpoint's verification during `create`. */
  #verifyingCount = 0;
  readonly #operations: DurableOperations;
  readonly #rotation: SecretRotation;

  constructor(parts: SubscriptionManagerParts) {
    this.#parts = parts;
    this.#operations = new DurableOperations(parts.store);
    this.#rotation = new SecretRotation(parts.clock, (consumer, delivery) => this.#redefine(consumer, { delivery }));
  }

  async create({
    cursor,
    lost,
    isTrusted,
    ...options
  }: NewSubscription): Promise<{ readonly subscription: Subscription; readonly isNew: boolean }> {
    const { registry, dialects, settings, clock, createConsumer, startConsumer } = this.#parts;
    const nowMs = clock.nowMs();
    for (let repeated = this.#findRepeated(options, nowMs); repeated !== undefined;) {
      await this.whenDurable();
      if (registry.get(repeated.id) === repeated) return { subscription: repeated.subscription, isNew: false };
      // Its creation has failed, or it was removed.
      repeated = this.#findRepeated(options, nowMs);
    }
    if (registry.size + this.#verifyingCount >= settings.subscriptionsMax)
      throw new PolycastError('subscription_limit', undefined, { retryAfterMs: 60_000 });
    this.#assertOwnerHasRoom(options.customer);
    this.#assertStoreAvailable();
    const common = { id: createId(), version: 1, createdMs: nowMs, changedMs: nowMs, ...options };
    const definition = withDelivery(common, options.delivery);
    const untrusted = !isTrusted && isWebhook(definition) ? definition : undefined;
    const verification = untrusted && dialects.get(untrusted.delivery.dialect).verification;
    // Without an endpoint to verify, the checks and the registration are in one turn of the event
    // loop.
    if (untrusted !== undefined && verification?.isWithinCreation === true) await this.#verifyAtCreation(untrusted);
    // Others of the owner may have been created during the verification.
    this.#assertOwnerHasRoom(options.customer);
    const state = verification === undefined || verification.isWithinCreation ? 'active' : 'pending';
    const consumer = createConsumer({
      definition,
      status: {
        state,
        reason: 'created',
        sinceMs: nowMs,
        cursor,
        lost,
        failingSinceMs: undefined,
        restUntilMs: undefined,
      },
    });
    await this.#writeNew(consumer);
    // It may have been removed during the write.
    if (registry.get(consumer.id) === consumer) startConsumer(consumer);
    return { subscription: consumer.subscription, isNew: true };
  }

  get(idOrName: string): Subscription | undefined {
    const { registry } = this.#parts;
    return (registry.get(idOrName) ?? registry.findByName(idOrName))?.subscription;
  }

  list({
    after,
    limit,
    predicate,
  }: {
    readonly after: string;
    readonly limit: number;
    predicate(subscription: Subscription): boolean;
  }): readonly Subscription[] {
    return this.#parts.registry.list(after, limit, predicate);
  }

  find(dialect: DialectName, url: string, channel: string): Subscription | undefined {
    const consumer = this.#parts.registry.find(dialect, url, channel);
    return consumer?.status.state === 'ended' ? undefined : consumer?.subscription;
  }

  async change(id: string, changes: SubscriptionChanges, version: number | undefined): Promise<Subscription> {
    const consumer = this.#parts.registry.existing(id);
    const current = consumer.definition;
    if (version !== undefined && version !== current.version) throw new PolycastError('precondition_failed');
    return this.#redefine(consumer, changes);
  }

  async pause(id: string): Promise<Subscription> {
    return this.#transition(id, 'pause');
  }

  async resume(id: string): Promise<Subscription> {
    return this.#transition(id, 'resume');
  }

  async remove(id: string): Promise<void> {
    const consumer = this.#parts.registry.existing(id);
    const { lifecycle, registry, removeConsumer } = this.#parts;
    this.#assertStoreAvailable();
    lifecycle.apply(consumer, 'remove');
    removeConsumer(consumer);
    registry.remove(consumer);
    await this.#operations.store([{ kind: 'removed', subscription: id }]);
  }

  whenDurable(): Promise<void> {
    return this.#operations.whenDurable();
  }

  async test(id: string, sample: Sample): Promise<Attempt> {
    const consumer = this.#parts.registry.webhook(id);
    if (transition(consumer.status.state, 'test') === 'conflict') throw notActive(consumer);
    return this.#parts.sendTestDelivery(consumer, sample);
  }

  async rotateSecret(id: string, secret: string, overlapMs: number): Promise<Subscription> {
    return this.#rotation.rotate(this.#parts.registry.webhook(id), secret, overlapMs);
  }

  async replay(id: string, request: ReplayRequest): Promise<Replay> {
    const consumer = this.#parts.registry.webhook(id);
    const { state } = consumer.status;
    if (state === 'ended' || state === 'pending') throw notActive(consumer);
    this.#assertStoreAvailable();
    return this.#parts.replays.start(consumer, request);
  }

  replays(id: string): readonly Replay[] {
    return this.#parts.replays.list(this.#parts.registry.existing(id));
  }

  attempts(
    id: string,
    query: { readonly before: number; readonly limit: number; readonly event?: EventPosition },
  ): Promise<readonly Attempt[]> {
    return this.#parts.store.attempts({ subscription: this.#parts.registry.existing(id).id, ...query });
  }

  deadLetters(id: string, query: DeadLettersQuery): Promise<readonly DeadLetter[]> {
    return this.#parts.store.deadLetters(this.#parts.registry.existing(id).id, query);
  }

  async retryDeadLetters(id: string, event: EventPosition | undefined): Promise<number> {
    const consumer = this.#parts.registry.existing(id);
    if (consumer.status.state === 'ended') throw notActive(consumer);
    this.#assertStoreAvailable();
    return this.#parts.deadLetters.retry(consumer, event);
  }

  async discardDeadLetters(id: string, event: EventPosition | undefined): Promise<number> {
    const consumer = this.#parts.registry.existing(id);
    this.#assertStoreAvailable();
    return this.#parts.deadLetters.discard(consumer, event);
  }

  trace(event: EventPosition): Promise<readonly Attempt[]> {
    return this.#parts.store.attempts({ event, before: Infinity, limit: TRACE_MAX });
  }

  deliveryStatus(id: string, record: StoredRecord): DeliveryStatus | undefined {
    const consumer = this.#parts.registry.existing(id);
    if (!consumer.selection.matches(record)) return undefined;
    return deliveryStatusOf(consumer.position, consumer.hasTracker ? consumer.tracker : undefined, record);
  }

  backlog(id: string): Backlog {
    const consumer = this.#parts.registry.existing(id);
    const { inFlight, failing, waiting } = consumer.openCounts;
    const { head } = this.#parts.log.state;
    const lagEvents = consumer.lagEvents(head);
    return {
      inFlight,
      failing,
      waiting,
      deadLetters: consumer.deadLetterCount,
      lagMs: this.#lagMs(consumer),
      lagEvents,
      lagPositions: head - consumer.position,
      nextAttemptMs: consumer.executor.nextAttemptMs(consumer),
    };
  }

  async #transition(id: string, input: 'pause' | 'resume'): Promise<Subscription> {
    const consumer = this.#parts.registry.existing(id);
    const { lifecycle, verification } = this.#parts;
    this.#assertStoreAvailable();
    const step = lifecycle.apply(consumer, input);
    if (step === 'conflict') throw notActive(consumer);
    // The subscription is active already. Its failed events would wait for their next attempt.
    if (input === 'resume' && step === 'no_change') consumer.executor.attemptNow(consumer);
    if (step === 'verify') {
      await verification.verifyNow(consumer);
      // It may have been removed during the verification.
      this.#parts.registry.existing(id);
    }
    await this.#operations.store(consumer.checkpoint());
    return consumer.subscription;
  }

  async #redefine(consumer: DurableConsumer, { isTrusted, ...changes }: SubscriptionChanges): Promise<Subscription> {
    const { clock, registry, onRedefined, lifecycle } = this.#parts;
    this.#assertStoreAvailable();
    const before = consumer.definition;
    const isMoved = changes.delivery !== undefined && urlOf(changes.delivery) !== urlOf(before.delivery);
    const changedMs = clock.nowMs();
    const narrowedMs = isNarrowed(before.channels, changes.channels) ? changedMs : before.narrowedMs;
    const common = { ...before, ...changes, version: before.version + 1, changedMs, narrowedMs };
    const definition = withDelivery(common, changes.delivery ?? before.delivery);
    const checkpointChanges = consumer.checkpoint();
    // A new order restarts from the checkpoint. The second checkpoint gives rows to events that
    // were handed out just now.
    if (definition.ordering !== before.ordering) checkpointChanges.push(...consumer.checkpoint());
    consumer.redefine(definition);
    registry.reindex(consumer.id, before);
    onRedefined(consumer);
    if (isMoved && isTrusted !== true) lifecycle.apply(consumer, 'moved');
    await this.#operations.store([...checkpointChanges, { kind: 'definition', definition }]);
    // Its creation may have failed meanwhile.
    return registry.existing(consumer.id).subscription;
  }

  /**
   * The subscription with the name of a request, or that of an earlier equal request with the same
   * key.
   * @throws PolycastError `idempotency_key_reused` for a different request
   */
  #findRepeated(
    options: Pick<NewSubscription, 'name' | 'owner' | 'idempotency'>,
    nowMs: number,
  ): SubscriptionConsumer | undefined {
    if (options.name !== undefined) return this.#parts.registry.findByName(options.name);
    const consumer = this.#parts.registry.findByIdempotencyKey(options);
    if (consumer === undefined || nowMs - consumer.definition.createdMs >= IDEMPOTENCY_WINDOW_MS) return undefined;
    if (consumer.definition.idempotency?.fingerprint === options.idempotency?.fingerprint) return consumer;
    throw new PolycastError('idempotency_key_reused');
  }

  async #writeNew(consumer: SubscriptionConsumer): Promise<void> {
    const { registry, store } = this.#parts;
    const { id, definition, status } = consumer;
    // Registered before the write, so that a concurrent equal request does not create a second one.
    registry.add(consumer);
    try {
      await this.#operations.write([
        { kind: 'definition', definition },
        { kind: 'status', subscription: id, status },
      ]);
    } catch (error) {
      registry.remove(consumer);
      // Somebody may have changed it meanwhile.
      store.enqueue([{ kind: 'removed', subscription: id }]);
      throw error;
    }
  }

  /** Age of the oldest event that is not done, in milliseconds, as far as memory knows. */
  #lagMs(consumer: SubscriptionConsumer): number {
    const oldestMs = consumer.oldestMs();
    return oldestMs === Infinity ? 0 : Math.max(0, this.#parts.clock.nowMs() - oldestMs);
  }

  /**
   * The verification takes as long as the endpoint takes. Its place within the limit is reserved
   * meanwhile.
   * @throws PolycastError `endpoint_refused`
   */
  async #verifyAtCreation(definition: WebhookDefinition): Promise<void> {
    this.#verifyingCount++;
    try {
      const { result, attempt } = await this.#parts.verification.verifyOnce(definition);
      if (result.isVerified) return;
      throw new PolycastError('endpoint_refused', `The verification of the endpoint failed: ${result.detail}.`, {
        category: attempt.outcome,
      });
    } finally {
      this.#verifyingCount--;
    }
  }

  /** @throws PolycastError `subscription_limit` */
  #assertOwnerHasRoom(customer: string | undefined): void {
    if (customer === undefined) return;
    const { registry, settings } = this.#parts;
    let count = 0;
    for (const { definition } of registry.all()) if (definition.customer === customer) count++;
    if (count < settings.subscriptionsPerOwnerMax) return;
    throw new PolycastError('subscription_limit', `The owner has ${settings.subscriptionsPerOwnerMax} subscriptions.`);
  }

  #assertStoreAvailable(): void {
    const { unavailable } = this.#parts.store;
    if (unavailable !== undefined) throw new PolycastError(unavailable, undefined, { retryAfterMs: 1000 });
  }
}

/** Whether some channels that were covered no longer are. */
function isNarrowed(before: readonly string[], next: readonly string[] | undefined): boolean {
  if (next === undefined) return false;
  return !before.every((channel) => next.some((pattern) => relationOf(pattern, channel) === 'covers'));
}

/** The URL of a webhook; `undefined` for pull. */
export function urlOf(delivery: SubscriptionDefinition['delivery']): string | undefined {
  return delivery.kind === 'webhook' ? delivery.url : undefined;
}

function notActive({ status: { state } }: SubscriptionConsumer): PolycastError {
  return notActiveError(state, state === 'pending' ? 'The endpoint is not verified yet.' : undefined);
}

/** Attempts of one event by all subscriptions, at most. */
const TRACE_MAX = 10_000;

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** An id with 80 random bits. */
function createId(): string {
  let id = 'sub_';
  for (const byte of randomBytes(16)) id += ALPHABET.charAt(byte & 31);
  return id;
}
