import type { Feed } from '../../core/feed.ts';
import type { Interest } from '../../core/interests/interest.ts';
import type { Position, StoredRecord } from '../../core/ports.ts';
import type { RecordPage } from '../../core/record-reader.ts';
import type { Filter } from '../state/filter.ts';
import { PAGE_BYTES_MAX } from './lane-reads.ts';

/** Whose events are counted: those that an interest matches, and a filter lets through. */
export interface CountScope {
  readonly feed: Feed;
  readonly interest: Interest;
  readonly filter: Filter | undefined;
  matching(records: readonly StoredRecord[]): readonly StoredRecord[];
  /** Whether a page that begins after a position speaks of a loss that has to be told. */
  hasUnreportedGap(page: RecordPage, after: Position): boolean;
}

/** Looked at in one go. */
const PAGE_COUNT = 256;
/** Beyond so many events the rest is counted in positions, so that a long pause does not mean reading the whole log. */
const EVENTS_COUNTED_MAX = 100_000;

/**
 * Counts the events after a position: each once, then only those that have come since. Where memory does not reach back so far, or each
 * event has to be parsed, the rest is counted in positions until `look` has been at it, page by page.
 */
export class PendingEventCounter {
  #interest: Interest | undefined;
  #filter: Filter | undefined;
  #after: Position = 0;
  #through: Position = 0;
  #count = 0;
  /** Some that are matched are lost: that has to be told, though it is no event. */
  #hasGap = false;

  /** So many there are, or fewer: exactly, unless `needsLook`. */
  count(scope: CountScope, after: Position, head: Position): number {
    if (after >= head) return 0;
    const { feed, interest, filter } = scope;
    this.#reset(scope, after);
    const more = feed.countAfter(interest, this.#through);
    if (more === undefined) return this.#count + Math.max(0, head - this.#through);
    if (filter !== undefined && more > 0) return this.#count + more;
    this.#count += more;
    this.#through = feed.head;
    return this.#count;
  }

  /** Whether there are events that only `look` can count. */
  needsRead(scope: CountScope, after: Position): boolean {
    const { feed, interest, filter } = scope;
    this.#reset(scope, after);
    if (this.#through >= feed.head || this.#count >= EVENTS_COUNTED_MAX) return false;
    const more = feed.countAfter(interest, this.#through);
    return more === undefined || (filter !== undefined && more > 0);
  }

  /** Counts one more page, from memory or from the log. */
  async countPage(scope: CountScope, after: Position): Promise<void> {
    const { feed, interest } = scope;
    this.#reset(scope, after);
    const from = this.#through;
    const inMemory = feed.nextRecords(interest, from, PAGE_COUNT, PAGE_BYTES_MAX);
    if (inMemory === undefined) {
      this.#through = Math.max(from, feed.head);
      return;
    }
    const page =
      inMemory === 'behind' ? await feed.readRecords(interest, from, feed.head, PAGE_COUNT, PAGE_BYTES_MAX) : inMemory;
    // Somebody has taken some of them up meanwhile: the count has begun anew.
    if (this.#through !== from || this.#hasChanged(scope)) return;
    this.#count += scope.matching(page.records).length;
    this.#hasGap ||= scope.hasUnreportedGap(page, from);
    this.#through = Math.max(from, page.reached);
  }

  /** So many were taken up, those after a position and up to another. */
  onTaken(count: number, after: Position, reached: Position): void {
    if (this.#after !== after || reached > this.#through) return;
    this.#count = Math.max(0, this.#count - count);
    this.#after = reached;
  }

  /** How far from a position there is nothing, neither an event nor a gap; that position itself if nobody has looked. */
  emptyThrough(scope: CountScope, after: Position): Position {
    const isKnown = this.#after === after && !this.#hasChanged(scope) && this.#count === 0 && !this.#hasGap;
    return isKnown ? this.#through : after;
  }

  #reset(scope: CountScope, after: Position): void {
    if (this.#after === after && !this.#hasChanged(scope)) return;
    this.#interest = scope.interest;
    this.#filter = scope.filter;
    this.#after = this.#through = after;
    this.#count = 0;
    this.#hasGap = false;
  }

  #hasChanged({ interest, filter }: CountScope): boolean {
    return this.#interest !== interest || this.#filter !== filter;
  }
}
