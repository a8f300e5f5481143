import { PolycastError } from '@polycast/protocol';
import type { Clock, Position, Random } from '../../core/ports.ts';
import type { Lane } from '../state/lanes/lane.ts';
import type { LeasedEvent, LeaseOutcome, PullOptions, PullService } from '../state/pull-service.ts';
import { notActiveError } from '../state/refusals.ts';
import type { SubscriptionStore } from '../state/subscription-store.ts';
import { DeadlineTimer } from '../engine/deadline-timer.ts';
import type { DeadLetters } from '../engine/dead-letters.ts';
import type { Executor } from '../engine/executor.ts';
import type { CheckpointScheduler } from '../engine/checkpoint-scheduler.ts';
import { PullQueue, type PullConsumer, type Waiter } from './pull-consumer.ts';

export interface LeaseManagerParts {
  readonly store: Pick<SubscriptionStore, 'isOverloaded'>;
  readonly checkpoints: CheckpointScheduler;
  readonly clock: Clock;
  readonly random: Random;
  /** How many times faster the clock runs than real time. */
  readonly speed: number;
  readonly settings: { readonly openEventsMax: number };
  /**
   * The consumer of a subscription's id.
   * @throws PolycastError `not_found`, `subscription_not_active`
   */
  readonly find: (subscription: string) => PullConsumer;
  readonly deadLetters: DeadLetters;
}

/** Counters since the start of the hub. */
export interface PullMetrics {
  leased: number;
  redelivered: number;
  acknowledged: number;
  released: number;
  leasesOver: number;
}

/** Delay before an overloaded store is checked again. */
const STORE_RETRY_MS = 100;

/**
 * The lease manager hands events to workers that pull, under leases (PROTOCOL.md section 14.6).
 * Example: a worker leases event 7 for 30 s. Without an acknowledgement, event 7 is due again after
 * 30 s and another worker may receive it.
 *
 * A subscription without leases and without waiting workers uses no resources here.
 */
export class LeaseManager implements PullService, Executor<PullConsumer> {
  readonly #parts: LeaseManagerParts;
  readonly #queues = new Set<PullQueue>();
  readonly #timer: DeadlineTimer<PullConsumer>;
  #readyConsumers: PullConsumer[] = [];
  #isScheduled = false;
  #isClosed = false;
  readonly metrics: PullMetrics = {
    leased: 0,
    redelivered: 0,
    acknowledged: 0,
    released: 0,
    leasesOver: 0,
  };
  readonly #createLeaseId: () => string;

  constructor(parts: LeaseManagerParts) {
    this.#parts = parts;
    this.#timer = new DeadlineTimer(parts.clock, parts.speed, (consumer) => this.schedule(consumer));
    this.#createLeaseId = () => createLeaseId(parts.random);
  }

  /** Number of subscriptions with leases, waiting workers or other state here. */
  get queueCount(): number {
    return this.#queues.size;
  }

  async pull(subscription: string, options: PullOptions, signal: AbortSignal): Promise<readonly LeasedEvent[]> {
    const consumer = this.#parts.find(subscription);
    if (!consumer.isActive) throw notActiveError(consumer.status.state);
    const queue = this.#queueOf(consumer);
    // Workers that already wait come first.
    const events = queue.waiters.size > 0 ? NO_EVENTS : this.#lease(queue, options);
    if (events.length > 0 || signal.aborted || this.#isClosed) return events;
    if (options.waitMs <= 0 && !queue.hasReadsInFlight) return this.#forgetIfIdle(queue);
    return this.#wait(queue, options, signal);
  }

  watch(subscription: string, onClosed: (error: PolycastError) => void): () => void {
    const queue = this.#queueOf(this.#parts.find(subscription));
    queue.watchers.add(onClosed);
    return () => {
      queue.watchers.delete(onClosed);
      this.#forgetIfIdle(queue);
    };
  }

  acknowledge(subscription: string, leases: readonly string[]): readonly LeaseOutcome[] {
    return this.#forEachLease(subscription, leases, (consumer, lane) => {
      this.metrics.acknowledged++;
      consumer.tracker.complete(lane);
    });
  }

  acknowledgeThrough(subscription: string, position: Position): number {
    const consumer = this.#parts.find(subscription);
    const lanes = this.#queueOf(consumer).reclaimThrough(position);
    for (const lane of lanes) consumer.tracker.complete(lane);
    this.metrics.acknowledged += lanes.length;
    this.#onChanged(consumer);
    return lanes.length;
  }

  release(subscription: string, leases: readonly string[], delayMs: number): readonly LeaseOutcome[] {
    const nowMs = this.#parts.clock.nowMs();
    return this.#forEachLease(subscription, leases, (consumer, lane) => {
      this.metrics.released++;
      this.#redeliver(consumer, lane, nowMs + delayMs, 'given back');
    });
  }

  returnUndelivered(subscription: string, leases: readonly string[]): void {
    const nowMs = this.#parts.clock.nowMs();
    this.#forEachLease(subscription, leases, (consumer, lane) => consumer.tracker.retryUncounted(lane, nowMs));
  }

  extend(subscription: string, leases: readonly string[], leaseMs: number): readonly LeaseOutcome[] {
    const consumer = this.#parts.find(subscription);
    const queue = this.#queueOf(consumer);
    const endsMs = this.#parts.clock.nowMs() + leaseMs;
    const outcomes = leases.map((lease): LeaseOutcome => {
      const lane = queue.find(lease);
      if (lane === undefined) return 'not_held';
      consumer.tracker.lease(lane, lease, endsMs);
      return 'ok';
    });
    this.#onChanged(consumer);
    return outcomes;
  }

  /**
   * The order of wake-ups does not matter: each consumer has its own workers and waits for no
   * other.
   */
  scheduleWoken(consumer: PullConsumer): void {
    this.schedule(consumer);
  }

  /**
   * Queues a consumer for the next turn, as it may have events for waiting workers or expired
   * leases. Only adds it to a list.
   */
  schedule(consumer: PullConsumer): void {
    if (consumer.isQueued || (!consumer.hasTracker && consumer.queue === undefined)) return;
    consumer.isQueued = true;
    this.#readyConsumers.push(consumer);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#runTurn);
  }

  /** Waiting workers of a subscription that is no longer active get an error on its turn. */
  onStatusChanged(consumer: PullConsumer): void {
    this.schedule(consumer);
  }

  onRedefined(consumer: PullConsumer): void {
    consumer.queue?.onRedefined();
    this.schedule(consumer);
  }

  /** Workers and leases decide when an event is handed out again. */
  attemptNow(): void {}

  nextAttemptMs(): undefined {}

  /** Rejects the waiting workers. */
  remove(consumer: PullConsumer): void {
    this.#timer.remove(consumer);
    this.#parts.checkpoints.forget(consumer);
    const { queue } = consumer;
    if (queue === undefined) return;
    this.#forget(queue);
    rejectAll(queue, new PolycastError('not_found', 'The subscription was removed.'));
  }

  /** Ends all waits. From then on each pull returns only the events that are ready. */
  close(): void {
    this.#isClosed = true;
    this.#timer.close();
    for (const { waiters } of this.#queues) for (const waiter of waiters) waiter.resolve(NO_EVENTS);
  }

  readonly #runTurn = (): void => {
    this.#isScheduled = false;
    const consumers = this.#readyConsumers;
    this.#readyConsumers = [];
    for (const consumer of consumers) {
      consumer.isQueued = false;
      this.#serve(consumer);
    }
  };

  #serve(consumer: PullConsumer): void {
    const queue = this.#queueOf(consumer);
    if (!consumer.isActive) rejectAll(queue, notActiveError(consumer.status.state));
    this.#advance(queue);
    for (const waiter of queue.waiters) {
      const events = this.#lease(queue, waiter.options);
      if (events.length > 0) waiter.resolve(events);
      else if (waiter.isImmediate && !queue.hasReadsInFlight) waiter.resolve(NO_EVENTS);
      else if (!waiter.isImmediate) break;
    }
    this.#scheduleNext(queue);
  }

  #lease(queue: PullQueue, options: PullOptions): readonly LeasedEvent[] {
    const { clock, store, settings, checkpoints, deadLetters } = this.#parts;
    if (store.isOverloaded) return NO_EVENTS;
    this.#advance(queue);
    const nowMs = clock.nowMs();
    const { consumer } = queue;
    const leaveOut = (lane: Lane): void => deadLetters.leaveOut(consumer, consumer.tracker, lane, nowMs);
    const events = queue.lease(options, nowMs, settings.openEventsMax, this.#createLeaseId, leaveOut);
    if (events.length === 0) return events;
    this.metrics.leased += events.length;
    for (const { delivery } of events) if (delivery > 1) this.metrics.redelivered++;
    checkpoints.markDirty(consumer);
    this.#timer.set(consumer, consumer.tracker.nextMs);
    return events;
  }

  #wait(queue: PullQueue, options: PullOptions, signal: AbortSignal): Promise<readonly LeasedEvent[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly LeasedEvent[]>();
    const { waiters, consumer } = queue;
    const isImmediate = options.waitMs <= 0;
    const cleanUp = (): void => {
      waiters.delete(waiter);
      clearTimeout(timer);
      signal.removeEventListener('abort', onTimeout);
    };
    const waiter: Waiter = {
      options,
      isImmediate,
      resolve: (events) => {
        cleanUp();
        resolve(events);
      },
      reject: (error) => {
        cleanUp();
        reject(error);
      },
    };
    const onTimeout = (): void => {
      waiter.resolve(NO_EVENTS);
      this.#forgetIfIdle(queue);
    };
    // Node uses one timer list for all waits of the same length.
    const timer =
      isImmediate || options.waitMs === Infinity
        ? undefined
        : setTimeout(onTimeout, options.waitMs / this.#parts.speed);
    timer?.unref();
    signal.addEventListener('abort', onTimeout);
    waiters.add(waiter);
    this.#scheduleNext(queue);
    if (isImmediate) this.schedule(consumer);
    return promise;
  }

  /** Sets the time of the next turn, in case no event and no acknowledgement causes one earlier. */
  #scheduleNext(queue: PullQueue): void {
    const { consumer } = queue;
    const { clock, store } = this.#parts;
    const nowMs = clock.nowMs();
    let nextMs = Math.min(consumer.hasTracker ? consumer.tracker.nextMs : Infinity, queue.nextMs);
    if (store.isOverloaded && queue.waiters.size > 0) nextMs = Math.min(nextMs, nowMs + STORE_RETRY_MS);
    this.#timer.set(consumer, nextMs);
    this.#forgetIfIdle(queue);
  }

  /** Deletes the queue if it has no state to keep. */
  #forgetIfIdle(queue: PullQueue): readonly LeasedEvent[] {
    if (queue.isIdle) this.#forget(queue);
    return NO_EVENTS;
  }

  #forget(queue: PullQueue): void {
    if (queue.consumer.queue === queue) queue.consumer.queue = undefined;
    this.#queues.delete(queue);
  }

  /** Ends expired leases and makes lanes ready whose time has come. */
  #advance(queue: PullQueue): void {
    const { consumer } = queue;
    if (!consumer.hasTracker) return;
    const nowMs = this.#parts.clock.nowMs();
    if (consumer.tracker.nextMs > nowMs) return;
    consumer.tracker.advance(nowMs, (lane, lease) => {
      queue.reclaim(lease);
      this.metrics.leasesOver++;
      this.#redeliver(consumer, lane, nowMs, 'not acknowledged in time');
    });
    this.#parts.checkpoints.markDirty(consumer);
    consumer.readLanes();
  }

  #forEachLease(
    subscription: string,
    leases: readonly string[],
    act: (consumer: PullConsumer, lane: Lane) => void,
  ): LeaseOutcome[] {
    const consumer = this.#parts.find(subscription);
    const queue = this.#queueOf(consumer);
    const outcomes = leases.map((lease): LeaseOutcome => {
      const lane = queue.reclaim(lease);
      if (lane === undefined) return 'not_held';
      act(consumer, lane);
      return 'ok';
    });
    this.#onChanged(consumer);
    return outcomes;
  }

  /**
   * Schedules another delivery at `dueMs`, or adds a dead letter after `deliveriesMax` deliveries.
   */
  #redeliver(consumer: PullConsumer, lane: Lane, dueMs: number, reason: string): void {
    const { deliveriesMax } = consumer.delivery;
    if (lane.attempts < deliveriesMax) return consumer.tracker.retry(lane, dueMs);
    const detail = `It was leased ${lane.attempts} times and never acknowledged; the last lease was ${reason}.`;
    this.#parts.deadLetters.add(consumer, consumer.tracker, lane, 'deliveries', detail, this.#parts.clock.nowMs());
  }

  #onChanged(consumer: PullConsumer): void {
    this.#parts.checkpoints.markDirty(consumer);
    this.schedule(consumer);
  }

  #queueOf(consumer: PullConsumer): PullQueue {
    let { queue } = consumer;
    if (queue === undefined) {
      consumer.queue = queue = new PullQueue(consumer);
      this.#queues.add(queue);
    }
    return queue;
  }
}

const NO_EVENTS: readonly LeasedEvent[] = [];

function rejectAll({ waiters, watchers }: PullQueue, error: PolycastError): void {
  for (const waiter of waiters) waiter.reject(error);
  for (const onClosed of watchers) onClosed(error);
}

/**
 * No lease id begins with a hyphen, because a command line reads that as an option (PROTOCOL.md
 * section 14.6).
 */
function createLeaseId(random: LeaseManagerParts['random']): string {
  let name = random.token();
  while (name.startsWith('-')) name = random.token();
  return name;
}
