import type { PolycastError } from '@polycast/protocol';
import type { Position, StoredRecord } from '../../core/ports.ts';
import type { PullDelivery } from '../state/definition.ts';
import type { Lane } from '../state/lane.ts';
import type { LeasedEvent, PullOptions } from '../state/ports.ts';
import type { AckTracker } from '../state/ack-tracker.ts';
import type { DurableConsumer } from '../engine/durable-consumer.ts';
import { RateLimiter } from './rate-limiter.ts';

/** A worker that found nothing. */
export interface Waiter {
  readonly options: PullOptions;
  /** It waits for nothing but what is being read already. */
  readonly isImmediate: boolean;
  resolve(events: readonly LeasedEvent[]): void;
  reject(error: unknown): void;
}

/** Events in memory that nobody has yet; bounded in bytes by the line as well. */
const BUFFERED_MAX = 1024;

/** What is leased of one pull subscription, and who waits for more. */
export class PullQueue {
  readonly consumer: DurableConsumer;
  /** Those that came first are first. */
  readonly waiters: Set<Waiter> = new Set();
  /** Those who wait for nothing now, and are told when it cannot be pulled from any more. */
  readonly watchers: Set<(error: PolycastError) => void> = new Set();
  readonly #leases = new Map<string, Lane>();
  /** What the leases are of: a line may begin another one. */
  #tracker: AckTracker | undefined;
  #rateLimiter: RateLimiter;

  constructor(consumer: DurableConsumer) {
    this.consumer = consumer;
    this.#rateLimiter = new RateLimiter(consumer.definition.ratePerSecond);
  }

  /** Nothing is lost by forgetting it. */
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

  /** Other wishes. */
  onRedefined(): void {
    this.#rateLimiter = new RateLimiter(this.consumer.definition.ratePerSecond);
  }

  /**
   * Up to as many as are wished for and may be leased now, each with a name of its own.
   * @param leaveOut takes what is of a channel that the subscription no longer has
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
    const endsMs = nowMs + (leaseMs ?? (definition.delivery as PullDelivery).leaseMs);
    const events: LeasedEvent[] = [];
    let bytes = 0;
    while (events.length < countAllowed && bytes < bytesMax) {
      const lane = tracker.next() ?? this.#readNext(openMax);
      if (lane === undefined) break;
      if (!this.consumer.hasChannel(lane.channel)) {
        leaveOut(lane);
        continue;
      }
      const { position, body } = lane.record as StoredRecord;
      const leaseId = createLeaseId();
      tracker.lease(lane, leaseId, endsMs);
      lane.leasedMs = nowMs;
      // Leases may be long, and many: if it has to be given out again, it is read again.
      tracker.releaseHeadPayload(lane);
      leases.set(leaseId, lane);
      bytes += body.length;
      events.push({ lease: leaseId, position, body, delivery: lane.attempts, leaseEndsMs: endsMs });
    }
    this.#rateLimiter.consume(events.length);
    return events;
  }

  /** When there may be something to hand out that there is not now, though nothing is published or acknowledged. */
  nextMs(nowMs: number): number {
    if (this.waiters.size === 0 || !this.consumer.hasTracker) return Infinity;
    const { consumer } = this;
    const hasMore = consumer.tracker.hasReady || (!consumer.isLive && !consumer.isReading);
    return hasMore && this.#rateLimiter.available(nowMs) < 1 ? this.#rateLimiter.nextAvailableMs : Infinity;
  }

  /** Whether something is being read that may turn out to be for whoever waits. */
  get hasReadsInFlight(): boolean {
    const { consumer } = this;
    if (consumer.isReading) return true;
    if (consumer.hasTracker) for (const { phase } of consumer.tracker.lanes()) if (phase === 'reading') return true;
    return false;
  }

  /** Takes a lease from who has it; `undefined` when nobody has it. */
  reclaim(lease: string): Lane | undefined {
    const lane = this.#currentLeases.get(lease);
    if (lane !== undefined) this.#leases.delete(lease);
    return lane;
  }

  /** The same for all leases of events up to and with a position. */
  reclaimThrough(position: Position): readonly Lane[] {
    const lanes: Lane[] = [];
    for (const [lease, lane] of this.#currentLeases) {
      if (lane.position > position) continue;
      this.#leases.delete(lease);
      lanes.push(lane);
    }
    return lanes.toSorted((one, other) => one.position - other.position);
  }

  /** Whether somebody has it. */
  find(lease: string): Lane | undefined {
    return this.#currentLeases.get(lease);
  }

  get #currentLeases(): Map<string, Lane> {
    const tracker = this.consumer.hasTracker ? this.consumer.tracker : undefined;
    if (tracker !== this.#tracker) {
      this.#tracker = tracker;
      this.#leases.clear();
      if (tracker !== undefined)
        for (const lane of tracker.lanes()) if (lane.lease !== undefined) this.#leases.set(lane.lease, lane);
    }
    return this.#leases;
  }

  #readNext(openMax: number): Lane | undefined {
    const { consumer } = this;
    const { tracker } = consumer;
    consumer.fill(BUFFERED_MAX, openMax);
    const lane = tracker.next();
    if (lane !== undefined || consumer.isLive || consumer.isReading) return lane;
    // What one channel has piled up is not in the way of the others.
    if (!tracker.freeMemory()) return undefined;
    consumer.fill(BUFFERED_MAX, openMax);
    return tracker.next();
  }
}
