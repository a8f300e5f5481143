import type { Position } from '../../../core/ports.ts';
import { assertInvariant } from '../../../core/primitives/invariant.ts';
import type { Lane } from './lane.ts';

/** The lanes of a tracker, as others see them. */
export interface OpenLanes {
  readonly size: number;
  /** In no particular order. */
  all(): Iterable<Lane>;
  /** Number of retried events that neither wait nor are handed out. Visits every lane, O(n). */
  countAside(): number;
  /**
   * The publish time of the oldest open event, in milliseconds since 1970; Infinity when none is
   * open. Visits every lane, O(n).
   * @param unknownMs used for events from before a restart that have not been read again
   */
  oldestMs(unknownMs: number): number;
}

/**
 * The lanes of a tracker. For each channel it knows the lane that the channel's next event joins;
 * aside lanes have none to join.
 *
 * Example: event 3 of `orders.42` has a lane. Event 7 of `orders.42` joins it, and event 8 of
 * `orders.43` begins another one.
 */
export class LaneSet implements OpenLanes {
  readonly #all = new Set<Lane>();
  readonly #byChannel = new Map<string, Lane>();

  get size(): number {
    return this.#all.size;
  }

  all(): Iterable<Lane> {
    return this.#all;
  }

  /** The lane that the next event of a channel joins. */
  ofChannel(channel: string): Lane | undefined {
    return this.#byChannel.get(channel);
  }

  add(lane: Lane): void {
    this.#all.add(lane);
    if (!lane.isAside) this.#byChannel.set(lane.channel, lane);
  }

  delete(lane: Lane): void {
    this.#all.delete(lane);
    if (!lane.isAside) this.detach(lane);
  }

  /** No further event of its channel joins the lane. */
  detach(lane: Lane): void {
    if (this.#byChannel.get(lane.channel) === lane) this.#byChannel.delete(lane.channel);
  }

  /** Whether an event is open. Visits every lane, O(n). */
  contains(channel: string, position: Position): boolean {
    for (const lane of this.#all) if (lane.contains(channel, position)) return true;
    return false;
  }

  countAside(): number {
    let count = 0;
    for (const { isRetried, phase } of this.#all) if (isRetried && (phase === 'ready' || phase === 'reading')) count++;
    return count;
  }

  oldestMs(unknownMs: number): number {
    let oldestMs = Infinity;
    for (const { timeMs } of this.#all) oldestMs = Math.min(oldestMs, timeMs > 0 ? timeMs : unknownMs);
    return oldestMs;
  }

  /** Visits every lane. */
  assertInvariants(): void {
    for (const lane of this.#all) lane.assertInvariants();
    for (const [channel, lane] of this.#byChannel)
      assertInvariant(
        this.#all.has(lane) && lane.channel === channel && !lane.isAside,
        'lanes: that of a channel is open, and is not aside',
      );
  }
}
