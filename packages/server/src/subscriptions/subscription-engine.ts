import type { Feed } from '../core/feed.ts';
import type { Clock, Log, Random } from '../core/ports.ts';
import type { Publisher } from '../core/publish.ts';
import { isWebhook } from './state/definition.ts';
import type { DeliveryTracer } from './state/delivery-tracer.ts';
import type { Dialects, VerificationResult } from './state/dialect.ts';
import type { SubscriptionOperations, SubscriptionReads } from './state/ports.ts';
import type { PullService } from './state/pull-service.ts';
import type { Sender } from './state/sender.ts';
import type { StoreChange, StoredSubscription, SubscriptionStore } from './state/subscription-store.ts';
import type { SubscriptionSettings } from './settings.ts';
import { DeadLetters } from './engine/dead-letters.ts';
import {
  measureLag,
  overviewOf,
  type LagReport,
  type LagScope,
  type SubscriptionOverview,
} from './subscription-lag.ts';
import { SubscriptionManager, urlOf } from './subscription-manager.ts';
import { WebhookDispatcher } from './webhook/webhook-dispatcher.ts';
import { SubscriptionErasure } from './engine/erasure.ts';
import { Expirations } from './engine/expirations.ts';
import type { InFlightJournal } from './state/in-flight-journal.ts';
import type { WebhookMetrics } from './webhook/outcome-handler.ts';
import { LagCounter } from './engine/lag-counter.ts';
import type { DurableConsumer, DurableConsumerParts } from './engine/durable-consumer.ts';
import { CheckpointScheduler } from './engine/checkpoint-scheduler.ts';
import { LeaseManager, type PullMetrics } from './pull/lease-manager.ts';
import { CrashQuarantine } from './webhook/crash-quarantine.ts';
import { Semaphore } from '../core/primitives/semaphore.ts';
import { alwaysWanted, SingleFlight } from '../core/primitives/single-flight.ts';
import { PullConsumer } from './pull/pull-consumer.ts';
import { SubscriptionRegistry, type SubscriptionConsumer } from './subscription-registry.ts';
import { Replays } from './webhook/replays.ts';
import { WebhookConsumer } from './webhook/webhook-consumer.ts';
import { Lifecycle } from './engine/subscription-lifecycle.ts';
import { createLifecyclePublisher } from './engine/lifecycle-events.ts';
import { sendTestDelivery } from './webhook/test-delivery.ts';
import { EndpointVerification } from './webhook/endpoint-verification.ts';

export interface SubscriptionEngineParts {
  readonly log: Log;
  readonly feed: Feed;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly random: Random;
  /** How many times faster than real time the clock runs. */
  readonly speed: number;
  readonly store: SubscriptionStore;
  readonly dialects: Dialects;
  readonly sender: Sender & { close(): Promise<void> };
  /**
   * The journal of requests in flight: those of the previous hub at its crash, and the present
   * ones.
   */
  readonly inFlightJournal: InFlightJournal;
  /** Absent when the hub records no traces. */
  readonly deliveryTracer?: DeliveryTracer | undefined;
  readonly settings: SubscriptionSettings;
  /** The host name that the hub sends to endpoints when it verifies them. */
  readonly origin: string;
  /** Called with the duration of each request to an endpoint, in milliseconds. */
  readonly answered: (durationMs: number) => void;
  /** Number of events written to live consumers, in all. */
  readonly liveEvents: () => number;
  readonly logger: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

/** Concurrent reads of the log for all subscriptions, of those that the log allows in all. */
const READS_CONCURRENT_MAX = 3;
/**
 * Interval of checkpoints for quiet subscriptions. A checkpoint is written when the log has this
 * many new positions, so that a restart reads no more than that.
 */
const SWEEP_INTERVAL_MS = 60_000;
const SWEEP_POSITIONS = 10_000;
/** How long `close` waits for requests in flight. */
const CLOSE_TIME_MS = 5000;

/** What the engine has counted since the start of the hub, and has at present. */
export interface SubscriptionEngineCounts {
  readonly webhooks: WebhookMetrics & { readonly inFlight: number; readonly connections: Sender['metrics'] };
  readonly pulls: PullMetrics;
  /** Dead letters since the start of the hub. */
  readonly deadLetters: number;
  readonly store: Readonly<Record<string, number>>;
}

/**
 * Runs all durable subscriptions: it creates their consumers and connects them to webhooks and
 * pull.
 *
 * Example: `start` loads 3 subscriptions from the store. The webhook dispatcher sends the events of
 * two webhooks, and the lease manager leases the events of one pull subscription.
 */
export class SubscriptionEngine {
  readonly #parts: SubscriptionEngineParts;
  readonly #registry: SubscriptionRegistry;
  readonly #checkpoints: CheckpointScheduler;
  readonly #deadLetters: DeadLetters;
  readonly #lifecycle: Lifecycle;
  readonly #dispatcher: WebhookDispatcher;
  readonly #leaseManager: LeaseManager;
  readonly #replays: Replays;
  readonly #verification: EndpointVerification;
  readonly #lagReports = new SingleFlight<LagReport>();
  readonly #overviews = new SingleFlight<SubscriptionOverview>();
  readonly #expirations: Expirations;
  readonly #quarantine: CrashQuarantine;
  readonly #counter: LagCounter;
  readonly #consumerParts: DurableConsumerParts;
  /** The number of the last attempt, of any subscription. */
  #lastAttempt = 0;
  #hasLostCommits = false;
  #closing: Promise<void> | undefined;
  #sweepTimer: NodeJS.Timeout | undefined;
  readonly subscriptions: SubscriptionReads & SubscriptionOperations;
  /** Pull subscriptions, for workers. */
  readonly pullService: PullService;
  readonly erasure: SubscriptionErasure;
  /** Sends every request to the addresses of others. */
  readonly sender: Sender;

  constructor(parts: SubscriptionEngineParts) {
    const { store, dialects, feed, clock, speed } = parts;
    const { epoch } = feed;
    this.#parts = parts;
    this.sender = parts.sender;
    const registry = new SubscriptionRegistry(dialects);
    this.#registry = registry;
    const checkpoints = new CheckpointScheduler(store);
    this.#checkpoints = checkpoints;
    const counter = new LagCounter((consumer) => checkpoints.markDirty(consumer));
    this.#counter = counter;
    this.#consumerParts = { feed, clock, reads: new Semaphore(READS_CONCURRENT_MAX), counter };
    const publishLifecycleEvent = createLifecyclePublisher(parts);
    const deadLetters = new DeadLetters({
      ...parts,
      epoch,
      hasErased: (events) => this.erasure.hasErased(events),
      publishLifecycleEvent,
    });
    this.#deadLetters = deadLetters;
    const lifecycle = new Lifecycle({
      ...parts,
      checkpoints,
      publishLifecycleEvent,
      onStatusChanged: (consumer) => this.#onStatusChanged(consumer),
    });
    this.#lifecycle = lifecycle;
    const nextAttempt = (): number => ++this.#lastAttempt;
    const quarantine = new CrashQuarantine({ ...parts, onReleased: (consumer) => this.#onReleased(consumer) });
    this.#quarantine = quarantine;
    const verification = new EndpointVerification({
      ...parts,
      quarantine,
      epoch,
      nextAttempt,
      onResult: (consumer, result, isGone) => this.#onVerified(consumer, result, isGone),
    });
    this.#verification = verification;
    const erasure = new SubscriptionErasure({ epoch, store, deadLetters, consumers: () => this.#consumers() });
    this.erasure = erasure;
    this.#dispatcher = new WebhookDispatcher({
      ...parts,
      hasErased: (records) => erasure.hasErased(records),
      quarantine,
      verification,
      epoch,
      checkpoints,
      lifecycle,
      deadLetters,
      nextAttempt,
    });
    this.#leaseManager = new LeaseManager({ ...parts, checkpoints, deadLetters, find: (id) => registry.pull(id) });
    this.pullService = this.#leaseManager;
    this.#replays = new Replays({ consumerParts: this.#consumerParts, executor: this.#dispatcher, store });
    this.#expirations = new Expirations(clock, speed, (consumer) => void lifecycle.apply(consumer, 'lease_over'));
    this.subscriptions = new SubscriptionManager({
      ...parts,
      registry,
      lifecycle,
      replays: this.#replays,
      verification,
      deadLetters,
      createConsumer: (subscription) =>
        this.#createConsumer({ ...subscription, open: [], deadLetters: 0, replays: [] }),
      startConsumer: (consumer) => this.#onStatusChanged(consumer),
      removeConsumer: (consumer) => this.#remove(consumer),
      onRedefined: (consumer) => this.#onRedefined(consumer),
      sendTestDelivery: (consumer, sample) => sendTestDelivery({ ...parts, epoch, nextAttempt }, consumer, sample),
    });
  }

  /**
   * True when acknowledged changes were missing at the opening of the store. Known after `start`.
   */
  get hasLostCommits(): boolean {
    return this.#hasLostCommits;
  }

  get counts(): SubscriptionEngineCounts {
    const { metrics: webhooks, inFlight } = this.#dispatcher;
    return {
      webhooks: { ...webhooks, inFlight, connections: this.sender.metrics },
      pulls: this.#leaseManager.metrics,
      deadLetters: this.#deadLetters.addedCount,
      store: this.#parts.store.metrics(),
    };
  }

  /**
   * Visits every subscription, O(n), in many turns of the event loop. Callers in the meantime share
   * the visit, so that its memory does not grow with them.
   */
  measureLag(): Promise<LagReport> {
    const { lagSeriesMax } = this.#parts.settings;
    return this.#lagReports.share('', alwaysWanted, () => measureLag(this.#lagScope, lagSeriesMax));
  }

  /** Visits every subscription as `measureLag` does. */
  overview(failingMax: number): Promise<SubscriptionOverview> {
    return this.#overviews.share(String(failingMax), alwaysWanted, () => overviewOf(this.#lagScope, failingMax));
  }

  /** Restores all subscriptions from the store and starts them. */
  start(): void {
    const { store, log } = this.#parts;
    const { subscriptions, epoch, lastAttempt, hasLostCommits } = store.load();
    this.#lastAttempt = lastAttempt;
    this.#hasLostCommits = hasLostCommits;
    const changes: StoreChange[] = [];
    if (epoch !== log.state.epoch) changes.push({ kind: 'epoch', epoch: log.state.epoch });
    const lostEpoch = epoch === log.state.epoch ? undefined : epoch;
    for (const found of subscriptions) {
      const stored = lostEpoch === undefined ? found : this.#moveToNewLog(found, lostEpoch, changes);
      const consumer = this.#createConsumer(stored);
      this.#registry.add(consumer);
      if (stored.replays.length > 0) this.#replays.restore(this.#registry.webhook(consumer.id), stored.replays);
    }
    this.#quarantine.start((id) => this.#registry.findWebhook(id));
    for (const consumer of this.#registry.all()) this.#onStatusChanged(consumer);
    if (changes.length > 0) store.enqueue(changes);
    this.#sweepTimer = setInterval(() => this.#checkpointQuiet(), SWEEP_INTERVAL_MS / this.#parts.speed);
    this.#sweepTimer.unref();
  }

  /** Waits for requests in flight, writes a checkpoint of every consumer, and closes the store. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#leaseManager.close();
    this.#counter.close();
    this.#verification.close();
    this.#expirations.close();
    clearInterval(this.#sweepTimer);
    this.#quarantine.close();
    await this.#dispatcher.close(CLOSE_TIME_MS);
    await this.#parts.sender.close();
    this.#parts.inFlightJournal.close();
    for (const consumer of this.#registry.all()) {
      consumer.leave();
      if (consumer.position !== consumer.status.cursor) this.#checkpoints.markDirty(consumer);
    }
    this.#checkpoints.close();
    await this.#parts.store.close();
  }

  /** The consumers of all subscriptions, and of their replays. */
  *#consumers(): Generator<DurableConsumer> {
    yield* this.#registry.all();
    yield* this.#replays.all();
  }

  get #lagScope(): LagScope {
    const { clock, log } = this.#parts;
    return { consumers: this.#registry.all(), head: log.state.head, nowMs: clock.nowMs() };
  }

  #checkpointQuiet(): void {
    for (const consumer of this.#registry.all())
      if (consumer.isLive && consumer.position - consumer.status.cursor > SWEEP_POSITIONS)
        this.#checkpoints.markDirty(consumer);
  }

  /** Each kind of subscription has its consumer and its executor. */
  #createConsumer(stored: StoredSubscription): SubscriptionConsumer {
    const { definition } = stored;
    return isWebhook(definition)
      ? new WebhookConsumer(this.#consumerParts, definition, stored, this.#dispatcher)
      : new PullConsumer(this.#consumerParts, definition, stored, this.#leaseManager);
  }

  /** Applies a change of state to all parts. */
  #onStatusChanged(consumer: DurableConsumer): void {
    const { state } = consumer.status;
    this.#expirations.schedule(consumer);
    consumer.executor.onStatusChanged(consumer);
    if (state === 'active' || state === 'suspended') consumer.join();
    else consumer.leave();
    if (state === 'active') this.#replays.schedule(consumer);
  }

  /** The crash quarantine has ended for a consumer: requests to it may start. */
  #onReleased(consumer: WebhookConsumer): void {
    this.#verification.onReleased(consumer);
    consumer.schedule();
    this.#replays.schedule(consumer);
  }

  #onRedefined(consumer: DurableConsumer): void {
    this.#expirations.schedule(consumer);
    consumer.executor.onRedefined(consumer);
  }

  #remove(consumer: DurableConsumer): void {
    consumer.leave();
    this.#counter.forget(consumer);
    this.#expirations.cancel(consumer);
    this.#replays.forget(consumer);
    consumer.executor.remove(consumer);
    this.#lifecycle.forget(consumer);
  }

  async #onVerified(consumer: DurableConsumer, result: VerificationResult, isGone: boolean): Promise<void> {
    const { ratePerMinute } = result.isVerified ? result : {};
    const { ratePerSecond = Infinity } = consumer.definition;
    const verifiedUrl = urlOf(consumer.definition.delivery);
    // The endpoint asked for a lower rate than the definition has.
    if (ratePerMinute !== undefined && ratePerMinute / 60 < ratePerSecond)
      await this.subscriptions
        .change(consumer.id, { ratePerSecond: ratePerMinute / 60 }, undefined)
        .catch((error: unknown) =>
          this.#parts.logger.warn(
            { subscription: consumer.id, error: String(error) },
            "webhooks: write of the endpoint's rate failed",
          ),
        );
    // The definition may have another URL by this time, and that endpoint is not verified.
    if (urlOf(consumer.definition.delivery) !== verifiedUrl) return;
    if (!result.isVerified)
      this.#parts.logger.info(
        { subscription: consumer.id, detail: result.detail },
        'webhooks: endpoint verification failed',
      );
    const refusal = isGone ? 'gone' : 'refused';
    this.#lifecycle.apply(consumer, result.isVerified ? 'verified' : refusal);
  }

  /**
   * Moves a subscription of a lost log to the start of this log. A gap reports the loss before any
   * event.
   */
  #moveToNewLog(stored: StoredSubscription, epoch: string, changes: StoreChange[]): StoredSubscription {
    const subscription = stored.definition.id;
    // A gap of an earlier lost log that was never delivered stays: the subscription knows no log
    // since.
    const lost = stored.status.lost ?? { epoch, position: stored.status.cursor };
    const status = { ...stored.status, cursor: this.#parts.log.state.epochStart, lost };
    for (const { position } of stored.open) changes.push({ kind: 'closed', subscription, position });
    for (const { id } of stored.replays) changes.push({ kind: 'replay_gone', subscription, id });
    changes.push({ kind: 'status', subscription, status });
    return { ...stored, status, open: [], replays: [] };
  }
}
