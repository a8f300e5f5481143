import type { PolycastError } from '@polycast/protocol';
import type { Position, StoredRecord } from '../../core/ports.ts';
import type { PullDelivery } from '../../core/subscription/definition.ts';
import type { Lane } from '../../core/subscription/lane.ts';
import type { LeasedEvent, PullWish } from '../../core/subscription/ports.ts';
import type { Progress } from '../../core/subscription/progress.ts';
import type { Line } from '../line.ts';
import { Rate } from './rate.ts';

/** A worker that found nothing. */
export interface Waiter {
  readonly wish: PullWish;
  /** It waits for nothing but what is being read already. */
  readonly isBrief: boolean;
  settle(events: readonly LeasedEvent[]): void;
  refuse(error: unknown): void;
}

/** Events in memory that nobody has yet; bounded in bytes by the line as well. */
const HELD_MAX = 1024;

/** What is leased of one pull subscription, and who waits for more. */
export class PullQueue {
  readonly line: Line;
  /** Those that came first are first. */
  readonly waiters: Set<Waiter> = new Set();
  /** Those who wait for nothing now, and are told when it cannot be pulled from any more. */
  readonly watchers: Set<(error: PolycastError) => void> = new Set();
  readonly #leases = new Map<string, Lane>();
  /** What the leases are of: a line may begin another one. */
  #progress: Progress | undefined;
  #rate: Rate;

  constructor(line: Line) {
    this.line = line;
    this.#rate = new Rate(line.definition.ratePerSecond);
  }

  /** Nothing is lost by forgetting it. */
  get isIdle(): boolean {
    return this.waiters.size === 0 && this.watchers.size === 0 && !this.#rate.isBounded && this.#held.size === 0;
  }

  get leaseCount(): number {
    return this.#held.size;
  }

  /** Other wishes. */
  redefined(): void {
    this.#rate = new Rate(this.line.definition.ratePerSecond);
  }

  /**
   * Up to as many as are wished for and may be leased now, each with a name of its own.
   * @param leaveOut takes what is of a channel that the subscription no longer has
   */
  take(
    { countMax, bytesMax, leaseMs }: PullWish,
    nowMs: number,
    openMax: number,
    nameOf: () => string,
    leaveOut: (lane: Lane) => void,
  ): LeasedEvent[] {
    const { progress, definition } = this.line;
    const leases = this.#held;
    const mayBe = Math.min(countMax, definition.concurrencyMax - progress.flying, this.#rate.room(nowMs));
    const endsMs = nowMs + (leaseMs ?? (definition.delivery as PullDelivery).leaseMs);
    const events: LeasedEvent[] = [];
    let bytes = 0;
    while (events.length < mayBe && bytes < bytesMax) {
      const lane = progress.next() ?? this.#readNext(openMax);
      if (lane === undefined) break;
      if (!this.line.hasChannel(lane.channel)) {
        leaveOut(lane);
        continue;
      }
      const { position, body } = lane.record as StoredRecord;
      const lease = nameOf();
      progress.lease(lane, lease, endsMs);
      lane.leasedMs = nowMs;
      // Leases may be long, and many: if it has to be given out again, it is read again.
      progress.forgetHead(lane);
      leases.set(lease, lane);
      bytes += body.length;
      events.push({ lease, position, body, delivery: lane.attempts, leaseEndsMs: endsMs });
    }
    this.#rate.took(events.length);
    return events;
  }

  /** When there may be something to hand out that there is not now, though nothing is published or acknowledged. */
  nextMs(nowMs: number): number {
    if (this.waiters.size === 0 || !this.line.hasProgress) return Infinity;
    const { line } = this;
    const hasMore = line.progress.hasReady || (!line.isLive && !line.isReading);
    return hasMore && this.#rate.room(nowMs) < 1 ? this.#rate.nextMs : Infinity;
  }

  /** Whether something is being read that may turn out to be for whoever waits. */
  get isLooking(): boolean {
    const { line } = this;
    if (line.isReading) return true;
    if (line.hasProgress) for (const { phase } of line.progress.lanes()) if (phase === 'reading') return true;
    return false;
  }

  /** Takes a lease from who has it; `undefined` when nobody has it. */
  takeBack(lease: string): Lane | undefined {
    const lane = this.#held.get(lease);
    if (lane !== undefined) this.#leases.delete(lease);
    return lane;
  }

  /** The same for all leases of events up to and with a position. */
  takeBackThrough(position: Position): readonly Lane[] {
    const lanes: Lane[] = [];
    for (const [lease, lane] of this.#held) {
      if (lane.position > position) continue;
      this.#leases.delete(lease);
      lanes.push(lane);
    }
    return lanes.toSorted((one, other) => one.position - other.position);
  }

  /** Whether somebody has it. */
  find(lease: string): Lane | undefined {
    return this.#held.get(lease);
  }

  get #held(): Map<string, Lane> {
    const progress = this.line.hasProgress ? this.line.progress : undefined;
    if (progress !== this.#progress) {
      this.#progress = progress;
      this.#leases.clear();
      if (progress !== undefined)
        for (const lane of progress.lanes()) if (lane.lease !== undefined) this.#leases.set(lane.lease, lane);
    }
    return this.#leases;
  }

  #readNext(openMax: number): Lane | undefined {
    const { line } = this;
    const { progress } = line;
    line.fill(HELD_MAX, openMax);
    const lane = progress.next();
    if (lane !== undefined || line.isLive || line.isReading) return lane;
    // What one channel has piled up is not in the way of the others.
    if (!progress.relieve()) return undefined;
    line.fill(HELD_MAX, openMax);
    return progress.next();
  }
}
