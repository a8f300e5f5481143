import type { Feed } from '../core/feed.ts';
import type { Clock, Log, Random } from '../core/ports.ts';
import type { Publisher } from '../core/publish.ts';
import type { Sender, StoreChange, StoredSubscription, SubscriptionService, SubscriptionStore } from './state/ports.ts';
import type { SubscriptionSettings } from './state/settings.ts';
import { DeadLetters } from './engine/dead-letters.ts';
import { SubscriptionManager, urlOf } from './subscription-manager.ts';
import { WebhookDispatcher } from './webhook/webhook-dispatcher.ts';
import { Expirations } from './engine/expirations.ts';
import type { InFlightJournal } from './webhook/in-flight-journal.ts';
import type { WebhookMetrics } from './webhook/outcome-handler.ts';
import { LagCounter } from './engine/lag-counter.ts';
import { DurableConsumer, type Executor, type DurableConsumerParts } from './engine/durable-consumer.ts';
import { CheckpointScheduler } from './engine/checkpoint-scheduler.ts';
import { LeaseManager, type PullMetrics } from './pull/lease-manager.ts';
import { CrashQuarantine } from './webhook/crash-quarantine.ts';
import { Semaphore } from '../core/primitives/semaphore.ts';
import { SubscriptionRegistry } from './engine/subscription-registry.ts';
import { Replays } from './engine/replays.ts';
import { Lifecycle } from './engine/subscription-lifecycle.ts';
import { createLifecyclePublisher } from './engine/lifecycle-events.ts';
import { sendTestDelivery } from './webhook/test-delivery.ts';
import { EndpointVerification } from './webhook/endpoint-verification.ts';
import type { VerificationResult } from './webhook/verification-requests.ts';

export interface SubscriptionEngineParts {
  readonly log: Log;
  readonly feed: Feed;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly random: Random;
  /** How many times faster than on the wall time passes for the clock. */
  readonly speed: number;
  readonly store: SubscriptionStore;
  readonly sender: Sender & { close(): Promise<void> };
  /** What was in flight when the hub before died, and what is now. */
  readonly inFlightJournal: InFlightJournal;
  readonly settings: SubscriptionSettings;
  /** What the hub calls itself, to endpoints that it asks for their consent: a host name. */
  readonly origin: string;
  /** Told how long each request to an endpoint took, in milliseconds. */
  readonly answered: (durationMs: number) => void;
  /** Events written to live consumers, in all. */
  readonly liveEvents: () => number;
  readonly logger: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

/** Reads of the log at once for all subscriptions, of those that there may be for everybody. */
const READS_CONCURRENT_MAX = 3;
/** How often cursors of quiet subscriptions are written down, if the log has gone on by so much since: whoever starts again reads no more. */
const SWEEP_INTERVAL_MS = 60_000;
const SWEEP_POSITIONS = 10_000;
/** How long requests under way are waited for when the hub goes. */
const CLOSE_TIME_MS = 5000;

const STATES = ['pending', 'active', 'paused', 'suspended', 'ended'] as const;

export interface SubscriptionEngineMetrics {
  readonly states: Readonly<
    Record<string, { readonly count: number; readonly lagEventsMax: number; readonly lagMsMax: number }>
  >;
  readonly webhooks: WebhookMetrics & { readonly inFlight: number; readonly connections: Sender['metrics'] };
  readonly pulls: PullMetrics;
  /** Events given up on since it began. */
  readonly deadLetters: number;
  readonly store: Readonly<Record<string, number>>;
}

/** Durable subscriptions at work. */
export class SubscriptionEngine {
  readonly #parts: SubscriptionEngineParts;
  readonly #registry = new SubscriptionRegistry();
  readonly #checkpoints: CheckpointScheduler;
  readonly #deadLetters: DeadLetters;
  readonly #lifecycle: Lifecycle;
  readonly #dispatcher: WebhookDispatcher;
  readonly #leaseManager: LeaseManager;
  readonly #replays: Replays;
  readonly #verification: EndpointVerification;
  readonly #expirations: Expirations;
  readonly #quarantine: CrashQuarantine;
  readonly #consumerParts: DurableConsumerParts;
  #sweepTimer: NodeJS.Timeout | undefined;
  readonly subscriptions: SubscriptionService;
  /** What goes to others' addresses goes by it. */
  readonly sender: Sender;

  constructor(parts: SubscriptionEngineParts) {
    const { store, feed, clock, speed } = parts;
    const { epoch } = feed;
    this.#parts = parts;
    this.sender = parts.sender;
    const checkpoints = new CheckpointScheduler(store);
    this.#checkpoints = checkpoints;
    const counter = new LagCounter((consumer) => checkpoints.markDirty(consumer));
    this.#consumerParts = { feed, clock, reads: new Semaphore(READS_CONCURRENT_MAX), counter };
    const publishLifecycleEvent = createLifecyclePublisher(parts);
    const deadLetters = new DeadLetters({
      ...parts,
      epoch,
      checkpoints,
      publishLifecycleEvent,
      executorOf: (consumer) => this.#executorOf(consumer),
    });
    this.#deadLetters = deadLetters;
    const lifecycle = new Lifecycle({
      ...parts,
      checkpoints,
      publishLifecycleEvent,
      onStatusChanged: (consumer) => this.#onStatusChanged(consumer),
    });
    this.#lifecycle = lifecycle;
    let attemptNumber = store.lastAttempt;
    const nextAttempt = (): number => ++attemptNumber;
    const quarantine = new CrashQuarantine({ ...parts, onReleased: (consumer) => this.#onReleased(consumer) });
    this.#quarantine = quarantine;
    this.#dispatcher = new WebhookDispatcher({
      ...parts,
      quarantine,
      epoch,
      checkpoints,
      lifecycle,
      deadLetters,
      nextAttempt,
    });
    this.#leaseManager = new LeaseManager({ ...parts, checkpoints, deadLetters, find: (id) => this.#registry.get(id) });
    this.#replays = new Replays({ consumerParts: this.#consumerParts, executor: this.#dispatcher, store, checkpoints });
    this.#expirations = new Expirations(clock, speed, (consumer) => void lifecycle.apply(consumer, 'lease_over'));
    this.#verification = new EndpointVerification({
      ...parts,
      quarantine,
      epoch,
      nextAttempt,
      onResult: (consumer, result) => this.#onVerified(consumer, result),
    });
    this.subscriptions = new SubscriptionManager({
      ...parts,
      registry: this.#registry,
      checkpoints,
      lifecycle,
      pullConsumer: this.#leaseManager,
      replays: this.#replays,
      verification: this.#verification,
      deadLetters,
      createConsumer: (subscription) =>
        this.#createConsumer({ ...subscription, open: [], deadLetters: 0, replays: [] }),
      startConsumer: (consumer) => this.#onStatusChanged(consumer),
      removeConsumer: (consumer) => this.#remove(consumer),
      onRedefined: (consumer) => this.#onRedefined(consumer),
      sendTestDelivery: (consumer, sample) => sendTestDelivery({ ...parts, epoch, nextAttempt }, consumer, sample),
    });
  }

  /** Acknowledged changes of subscriptions were missing when their store was opened. */
  get hasLostCommits(): boolean {
    return this.#parts.store.hasLostCommits;
  }

  /** Looks at every subscription. */
  get metrics(): SubscriptionEngineMetrics {
    const { clock, log, store } = this.#parts;
    const nowMs = clock.nowMs();
    const states: Record<string, { count: number; lagEventsMax: number; lagMsMax: number }> = {};
    for (const state of STATES) states[state] = { count: 0, lagEventsMax: 0, lagMsMax: 0 };
    for (const consumer of this.#registry.all()) {
      const stateMetrics = states[consumer.status.state];
      if (stateMetrics === undefined) continue;
      stateMetrics.count++;
      if (consumer.status.state === 'ended') continue;
      stateMetrics.lagEventsMax = Math.max(stateMetrics.lagEventsMax, consumer.lagEvents(log.state.head));
      const oldestMs = consumer.oldestMs();
      if (oldestMs < Infinity) stateMetrics.lagMsMax = Math.max(stateMetrics.lagMsMax, nowMs - oldestMs);
    }
    const { metrics: webhooks, inFlight } = this.#dispatcher;
    return {
      states,
      webhooks: { ...webhooks, inFlight, connections: this.sender.metrics },
      pulls: this.#leaseManager.metrics,
      deadLetters: this.#deadLetters.addedCount,
      store: store.metrics(),
    };
  }

  /** Takes up what there was, where it stood. */
  start(): void {
    const { store, log } = this.#parts;
    const changes: StoreChange[] = [];
    const isOtherLog = store.epoch !== undefined && store.epoch !== log.state.epoch;
    if (store.epoch !== log.state.epoch) changes.push({ kind: 'epoch', epoch: log.state.epoch });
    for (const stored of store.load()) {
      const consumer = this.#createConsumer(
        isOtherLog ? this.#moveToNewLog(stored, store.epoch as string, changes) : stored,
      );
      this.#registry.add(consumer);
      if (!isOtherLog) this.#replays.restore(consumer, stored.replays);
    }
    this.#quarantine.start((id) => this.#registry.get(id));
    for (const consumer of this.#registry.all()) this.#onStatusChanged(consumer);
    if (changes.length > 0) store.enqueue(changes);
    this.#sweepTimer = setInterval(() => this.#checkpointQuiet(), SWEEP_INTERVAL_MS / this.#parts.speed);
    this.#sweepTimer.unref();
  }

  /** Finishes what is under way, notes where everything stands, and closes the store. */
  async close(): Promise<void> {
    this.#leaseManager.close();
    this.#consumerParts.counter.close();
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

  #checkpointQuiet(): void {
    for (const consumer of this.#registry.all())
      if (consumer.isLive && consumer.position - consumer.status.cursor > SWEEP_POSITIONS)
        this.#checkpoints.markDirty(consumer);
  }

  #createConsumer(stored: StoredSubscription): DurableConsumer {
    return new DurableConsumer(this.#consumerParts, stored, isPull(stored) ? this.#leaseManager : this.#dispatcher);
  }

  #executorOf(consumer: DurableConsumer): Executor {
    return isPull(consumer) ? this.#leaseManager : this.#dispatcher;
  }

  /** It has come to stand otherwise than before. */
  #onStatusChanged(consumer: DurableConsumer): void {
    const { state } = consumer.status;
    this.#expirations.schedule(consumer);
    if (state === 'pending') this.#verification.start(consumer);
    else this.#verification.forget(consumer);
    if (state === 'suspended') this.#dispatcher.suspend(consumer);
    if (state === 'active' || state === 'suspended') consumer.join();
    else consumer.leave();
    if (isPull(consumer)) this.#leaseManager.schedule(consumer);
    if (state === 'active') this.#replays.schedule(consumer);
  }

  /** It had been held back, and may be sent to now. */
  #onReleased(consumer: DurableConsumer): void {
    this.#verification.onReleased(consumer);
    if (isPull(consumer)) return;
    this.#dispatcher.schedule(consumer);
    this.#replays.schedule(consumer);
  }

  #onRedefined(consumer: DurableConsumer): void {
    this.#expirations.schedule(consumer);
    if (isPull(consumer)) return this.#leaseManager.onRedefined(consumer);
    // Another pace, or another endpoint: it is found out anew.
    consumer.limiter = undefined;
    if (consumer.status.restUntilMs !== undefined) {
      consumer.status = { ...consumer.status, restUntilMs: undefined };
      this.#checkpoints.markDirty(consumer);
    }
    this.#dispatcher.schedule(consumer);
  }

  #remove(consumer: DurableConsumer): void {
    consumer.leave();
    this.#consumerParts.counter.forget(consumer);
    this.#quarantine.remove(consumer);
    this.#expirations.cancel(consumer);
    this.#verification.forget(consumer);
    this.#replays.forget(consumer, (replay) => this.#dispatcher.remove(replay));
    if (isPull(consumer)) this.#leaseManager.remove(consumer);
    else this.#dispatcher.remove(consumer);
    this.#lifecycle.forget(consumer);
  }

  async #onVerified(consumer: DurableConsumer, result: VerificationResult): Promise<void> {
    const { ratePerMinute } = result.isVerified ? result : {};
    const { ratePerSecond = Infinity } = consumer.definition;
    const verifiedUrl = urlOf(consumer.definition.delivery);
    // It wants less than it would be sent.
    if (ratePerMinute !== undefined && ratePerMinute / 60 < ratePerSecond)
      await this.subscriptions
        .change(consumer.id, { ratePerSecond: ratePerMinute / 60 }, undefined, { kind: 'hub' })
        .catch((error: unknown) =>
          this.#parts.logger.warn({ subscription: consumer.id, error: String(error) }, 'a rate could not be kept'),
        );
    // It may lead elsewhere by now, where nobody has consented.
    if (urlOf(consumer.definition.delivery) !== verifiedUrl) return;
    if (!result.isVerified)
      this.#parts.logger.info({ subscription: consumer.id, detail: result.detail }, 'an endpoint has not consented');
    const refusal = !result.isVerified && result.isGone === true ? 'gone' : 'refused';
    this.#lifecycle.apply(consumer, result.isVerified ? 'verified' : refusal);
  }

  /** What stood in another log stands nowhere in this one: it begins where this one does, and is told so before all else. */
  #moveToNewLog(stored: StoredSubscription, epoch: string, changes: StoreChange[]): StoredSubscription {
    const subscription = stored.definition.id;
    // Of logs in between it has heard nothing.
    const lost = stored.status.lost ?? { epoch, position: stored.status.cursor };
    const status = { ...stored.status, cursor: this.#parts.log.state.epochStart, lost };
    for (const { position } of stored.open) changes.push({ kind: 'closed', subscription, position });
    for (const { id } of stored.replays) changes.push({ kind: 'replay_gone', subscription, id });
    changes.push({ kind: 'status', subscription, status });
    return { ...stored, status, open: [], replays: [] };
  }
}

function isPull({ definition }: Pick<StoredSubscription, 'definition'>): boolean {
  return definition.delivery.kind === 'pull';
}
