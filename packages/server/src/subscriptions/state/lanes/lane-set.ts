import type { Position, StoredRecord } from '../../../core/ports.ts';
import { assertInvariant } from '../../../core/primitives/invariant.ts';
import { BufferedEvents } from './buffered-events.ts';
import { Lane, NO_POSITION } from './lane.ts';

/** Events of one lane that stay in memory behind the head when the tracker frees memory. */
const LANE_COUNT_KEPT = 2;

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
 * The lanes of a tracker, and how many of their events are in memory. For each channel it knows the
 * lane that the channel's next event joins. No event joins an aside lane.
 *
 * Example: event 3 of `orders.42` has a lane. Event 7 of `orders.42` joins it, and event 8 of
 * `orders.43` begins another one.
 */
export class LaneSet implements OpenLanes {
  readonly #all = new Set<Lane>();
  readonly #byChannel = new Map<string, Lane>();
  readonly buffered: BufferedEvents = new BufferedEvents();

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

  /** Opens a lane. `record` is the event of its head; `undefined` when it is in the log alone. */
  open(channel: string, position: Position, record: StoredRecord | undefined, isAside: boolean): Lane {
    const lane = new Lane(channel, position, record, isAside);
    this.#all.add(lane);
    if (!isAside) this.#byChannel.set(channel, lane);
    if (record !== undefined) this.buffered.add(record);
    return lane;
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

  /**
   * Releases the later events of each lane from memory. They are read again.
   * @returns whether at least one event was released
   */
  freeMemory(): boolean {
    const before = this.buffered.count;
    for (const lane of this.#all) lane.unbuffer(Math.max(LANE_COUNT_KEPT, lane.handedOutCount - 1), this.buffered);
    return this.buffered.count < before;
  }

  /**
   * Releases the events of these channels from memory, except those that are handed out. Gaps stay,
   * because the log does not have them.
   * @param gap a lane that has a gap alone
   */
  release(channels: ReadonlySet<string>, gap: Lane | undefined): void {
    for (const lane of this.#all) {
      if (!channels.has(lane.channel) || lane === gap) continue;
      lane.unbuffer(lane.handedOutCount - 1, this.buffered);
      if (lane.phase === 'ready' && lane.gapAfter === NO_POSITION) lane.unbufferHead(this.buffered);
    }
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

  /** Visits every lane, and every event in memory. */
  assertInvariants(): void {
    for (const lane of this.#all) lane.assertInvariants();
    this.buffered.assertInvariants(this.#all);
    for (const [channel, lane] of this.#byChannel)
      assertInvariant(
        this.#all.has(lane) && lane.channel === channel && !lane.isAside,
        'lanes: that of a channel is open, and is not aside',
      );
  }
}
