import type { Feed } from '../core/feed.ts';
import type { Interest } from '../core/interest.ts';
import type { Position, StoredRecord } from '../core/ports.ts';
import type { Records } from '../core/record-reads.ts';
import type { Filter } from '../core/subscription/filter.ts';
import { PAGE_BYTES_MAX } from './lane-reads.ts';

/** Whose events are counted: those that an interest matches, and a filter lets through. */
export interface Counted {
  readonly feed: Feed;
  readonly interest: Interest;
  readonly filter: Filter | undefined;
  wanted(records: readonly StoredRecord[]): readonly StoredRecord[];
  /** Whether a page that begins after a position speaks of a loss that has to be told. */
  hasUntold(page: Records, after: Position): boolean;
}

/** Looked at in one go. */
const PAGE_COUNT = 256;
/** Beyond so many events the rest is counted in positions, so that a long pause does not mean reading the whole log. */
const EVENTS_COUNTED_MAX = 100_000;

/**
 * Counts the events after a position: each once, then only those that have come since. Where memory does not reach back so far, or each
 * event has to be parsed, the rest is counted in positions until `look` has been at it, page by page.
 */
export class EventsAhead {
  #interest: Interest | undefined;
  #filter: Filter | undefined;
  #after: Position = 0;
  #through: Position = 0;
  #count = 0;
  /** Some that are matched are lost: that has to be told, though it is no event. */
  #hasGap = false;

  /** So many there are, or fewer: exactly, unless `needsLook`. */
  count(counted: Counted, after: Position, head: Position): number {
    if (after >= head) return 0;
    const { feed, interest, filter } = counted;
    this.#begin(counted, after);
    const more = feed.countAfter(interest, this.#through);
    if (more === undefined) return this.#count + Math.max(0, head - this.#through);
    if (filter !== undefined && more > 0) return this.#count + more;
    this.#count += more;
    this.#through = feed.head;
    return this.#count;
  }

  /** Whether there are events that only `look` can count. */
  needsLook(counted: Counted, after: Position): boolean {
    const { feed, interest, filter } = counted;
    this.#begin(counted, after);
    if (this.#through >= feed.head || this.#count >= EVENTS_COUNTED_MAX) return false;
    const more = feed.countAfter(interest, this.#through);
    return more === undefined || (filter !== undefined && more > 0);
  }

  /** Counts one more page, from memory or from the log. */
  async look(counted: Counted, after: Position): Promise<void> {
    const { feed, interest } = counted;
    this.#begin(counted, after);
    const from = this.#through;
    const inMemory = feed.nextRecords(interest, from, PAGE_COUNT, PAGE_BYTES_MAX);
    if (inMemory === undefined) {
      this.#through = Math.max(from, feed.head);
      return;
    }
    const page =
      inMemory === 'behind' ? await feed.readRecords(interest, from, feed.head, PAGE_COUNT, PAGE_BYTES_MAX) : inMemory;
    // Somebody has taken some of them up meanwhile: the count has begun anew.
    if (this.#through !== from || this.#isOther(counted)) return;
    this.#count += counted.wanted(page.records).length;
    this.#hasGap ||= counted.hasUntold(page, from);
    this.#through = Math.max(from, page.reached);
  }

  /** So many were taken up, those after a position and up to another. */
  took(count: number, after: Position, reached: Position): void {
    if (this.#after !== after || reached > this.#through) return;
    this.#count = Math.max(0, this.#count - count);
    this.#after = reached;
  }

  /** How far from a position there is nothing, neither an event nor a gap; that position itself if nobody has looked. */
  emptyThrough(counted: Counted, after: Position): Position {
    const isKnown = this.#after === after && !this.#isOther(counted) && this.#count === 0 && !this.#hasGap;
    return isKnown ? this.#through : after;
  }

  #begin(counted: Counted, after: Position): void {
    if (this.#after === after && !this.#isOther(counted)) return;
    this.#interest = counted.interest;
    this.#filter = counted.filter;
    this.#after = this.#through = after;
    this.#count = 0;
    this.#hasGap = false;
  }

  #isOther({ interest, filter }: Counted): boolean {
    return this.#interest !== interest || this.#filter !== filter;
  }
}
