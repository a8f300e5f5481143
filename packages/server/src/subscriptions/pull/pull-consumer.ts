import type { PolycastError } from '@polycast/protocol';
import type { Position } from '../../core/ports.ts';
import type { PullDefinition, PullDelivery } from '../state/definition.ts';
import type { Lane } from '../state/lanes/lane.ts';
import type { LeasedEvent, PullOptions } from '../state/pull-service.ts';
import type { AckTracker } from '../state/lanes/ack-tracker.ts';
import { DurableConsumer } from '../engine/durable-consumer.ts';
import { gapOf } from '../engine/gap.ts';
import { LeasedLanes } from './leased-lanes.ts';
import { RateLimiter } from './rate-limiter.ts';

/** A pull request of a worker that waits for events. */
export interface Waiter {
  readonly options: PullOptions;
  /** Whether it waits only for reads that are already in progress. */
  readonly isImmediate: boolean;
  resolve(events: readonly LeasedEvent[]): void;
  reject(error: unknown): void;
}

/** Most events in memory that are not leased. The consumer also bounds their bytes. */
const BUFFERED_MAX = 1024;

/** A pull subscription at work: a durable consumer whose events are leased to workers. */
export class PullConsumer extends DurableConsumer<PullDefinition> {
  /** The lease manager sets it; `undefined` while there are neither leases nor waiting workers. */
  queue: PullQueue | undefined;
  /** True while it waits for its turn at the lease manager. */
  isQueued = false;

  get delivery(): PullDelivery {
    return this.definition.delivery;
  }
}

/** The leases of one pull subscription, and the workers that wait for its events. */
export class PullQueue {
  readonly consumer: PullConsumer;
  /** In the order of arrival. */
  readonly waiters: Set<Waiter> = new Set();
  /**
   * Callbacks of clients that do not wait at present. They are called when the subscription can no
   * longer be pulled.
   */
  readonly watchers: Set<(error: PolycastError) => void> = new Set();
  readonly #leases = new LeasedLanes();
  /** The tracker that the leases belong to. The consumer may replace its tracker. */
  #tracker: AckTracker | undefined;
  #rateLimiter: RateLimiter;

  constructor(consumer: PullConsumer) {
    this.consumer = consumer;
    this.#rateLimiter = new RateLimiter(consumer.definition.ratePerSecond);
  }

  /** Whether the queue may be deleted without loss. */
  get isIdle(): boolean {
    return (
      this.waiters.size === 0 &&
      this.watchers.size === 0 &&
      !this.#rateLimiter.isBounded &&
      this.#currentLeases.size === 0
    );
  }

  get leaseCount(): number {
    return this.#currentLeases.size;
  }

  /** Called when the definition has changed. */
  onRedefined(): void {
    this.#rateLimiter = new RateLimiter(this.consumer.definition.ratePerSecond);
  }

  /**
   * Leases as many events as the options and the limits allow, each with its own lease id.
   * @param leaveOut takes a lane of a channel that the subscription no longer has
   */
  lease(
    { countMax, bytesMax, leaseMs }: PullOptions,
    nowMs: number,
    openMax: number,
    createLeaseId: () => string,
    leaveOut: (lane: Lane) => void,
  ): LeasedEvent[] {
    const { tracker, definition } = this.consumer;
    const leases = this.#currentLeases;
    const countAllowed = Math.min(
      countMax,
      definition.concurrencyMax - tracker.inFlight,
      this.#rateLimiter.available(nowMs),
    );
    const endsMs = nowMs + (leaseMs ?? definition.delivery.leaseMs);
    const events: LeasedEvent[] = [];
    let bytes = 0;
    while (events.length < countAllowed && bytes < bytesMax) {
      const lane = tracker.next() ?? this.#readNext(openMax);
      if (lane === undefined) break;
      if (!this.consumer.hasChannel(lane.channel)) {
        leaveOut(lane);
        continue;
      }
      const { position, body, trace } = lane.head;
      const leaseId = createLeaseId();
      tracker.lease(lane, leaseId, endsMs);
      lane.leasedMs = nowMs;
      // Leases may be long and numerous, so the payload leaves memory. Another delivery reads the
      // event again.
      lane.leasedGap = gapOf(lane.head);
      tracker.releaseHeadPayload(lane);
      leases.add(leaseId, lane);
      bytes += body.length;
      events.push({ lease: leaseId, position, body, trace, delivery: lane.attempts, leaseEndsMs: endsMs });
    }
    this.#rateLimiter.consume(events.length);
    return events;
  }

  /**
   * Time at which more events may be available, although none is published or acknowledged until
   * then. It follows from the last `lease`: capacity that came since would make it Infinity, and
   * the workers would wait for ever.
   */
  get nextMs(): number {
    if (this.waiters.size === 0 || !this.consumer.hasTracker) return Infinity;
    const { consumer } = this;
    const hasMore = consumer.tracker.hasReady || (!consumer.isLive && !consumer.isReading);
    return hasMore ? this.#rateLimiter.blockedUntilMs : Infinity;
  }

  /** Whether a read is in progress that may bring events for waiting workers. */
  get hasReadsInFlight(): boolean {
    const { consumer } = this;
    if (consumer.isReading) return true;
    if (consumer.hasTracker) for (const { phase } of consumer.tracker.lanes.all()) if (phase === 'reading') return true;
    return false;
  }

  /** Removes a lease from its worker; `undefined` if the lease does not exist. */
  reclaim(lease: string): Lane | undefined {
    return this.#currentLeases.take(lease);
  }

  /**
   * Removes the leases of all events up to and including `position`. Returns their lanes in log
   * order.
   */
  reclaimThrough(position: Position): readonly Lane[] {
    const lanes = this.#currentLeases.all().filter((lane) => lane.position <= position);
    for (const { lease } of lanes) if (lease !== undefined) this.#leases.take(lease);
    return lanes.toSorted((one, other) => one.position - other.position);
  }

  /** The lane of a lease; `undefined` if the lease does not exist. */
  find(lease: string): Lane | undefined {
    return this.#currentLeases.find(lease);
  }

  get #currentLeases(): LeasedLanes {
    const tracker = this.consumer.hasTracker ? this.consumer.tracker : undefined;
    if (tracker !== this.#tracker) {
      this.#tracker = tracker;
      this.#leases.clear();
      if (tracker !== undefined)
        for (const lane of tracker.lanes.all()) if (lane.lease !== undefined) this.#leases.add(lane.lease, lane);
    }
    return this.#leases;
  }

  #readNext(openMax: number): Lane | undefined {
    const { consumer } = this;
    const { tracker } = consumer;
    consumer.fill(BUFFERED_MAX, openMax);
    const lane = tracker.next();
    if (lane !== undefined || consumer.isLive || consumer.isReading) return lane;
    // Events buffered for one channel must not block the other channels.
    if (!tracker.freeMemory()) return undefined;
    consumer.fill(BUFFERED_MAX, openMax);
    return tracker.next();
  }
}
