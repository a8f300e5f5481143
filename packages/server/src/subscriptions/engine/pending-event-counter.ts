import type { Feed } from '../../core/feed.ts';
import type { Interest } from '../../core/interests/interest.ts';
import type { Position } from '../../core/ports.ts';
import type { RecordCount, RecordPage } from '../../core/record-reader.ts';
import type { Filter } from '../state/filter.ts';
import type { EventSelection } from './event-selection.ts';
import { PAGE_BYTES_MAX } from './lane-reads.ts';
import type { ReportedLoss } from './reported-loss.ts';

/** What is counted: the selected events that the consumer has not taken up. */
export interface CountScope {
  readonly feed: Feed;
  readonly selection: EventSelection;
  readonly reportedLoss: ReportedLoss;
}

/** Events in one page. */
const PAGE_COUNT = 256;
/**
 * Limit of the exact count. The rest is counted in positions, so that a long pause does not cause a
 * read of the whole log.
 */
const EVENTS_COUNTED_MAX = 100_000;

/**
 * Counts the pending events of a consumer: the matching events after its position. Each event is
 * counted once; later calls add the new ones. Some events are not in memory or must be parsed for a
 * filter. These are counted in positions until `countPage` has read them, page by page.
 *
 * Example: the position is 10, the head is 100, and memory reaches back to 1. Three events match:
 * `count` is 3. After a restart memory is empty: `count` is 90 until `countPage` has read the log.
 */
export class PendingEventCounter {
  #interest: Interest | undefined;
  #filter: Filter | undefined;
  #after: Position = 0;
  #through: Position = 0;
  #count = 0;
  /** True when matching events are lost: a gap is to be reported, although it is no event. */
  #hasGap = false;

  /** The number of pending events, or an upper bound while `needsRead` is true. */
  count(scope: CountScope, after: Position, head: Position): number {
    if (after >= head) return 0;
    const { feed } = scope;
    const { interest, filter } = scope.selection;
    this.#reset(scope, after);
    const more = feed.countAfter(interest, this.#through);
    if (more === undefined) return this.#count + Math.max(0, head - this.#through);
    if (filter !== undefined && more > 0) return this.#count + more;
    this.#count += more;
    this.#through = feed.head;
    return this.#count;
  }

  /** Whether there are events that only `countPage` can count. */
  needsRead(scope: CountScope, after: Position): boolean {
    const { feed } = scope;
    const { interest, filter } = scope.selection;
    this.#reset(scope, after);
    if (this.#through >= feed.head || this.#count >= EVENTS_COUNTED_MAX) return false;
    return filter === undefined
      ? !feed.isInMemory(interest, this.#through)
      : feed.isQuiet(interest, this.#through) !== true;
  }

  /** Counts one more page, from memory or from the log. */
  async countPage(scope: CountScope, after: Position): Promise<void> {
    const { feed, selection } = scope;
    const { interest } = selection;
    this.#reset(scope, after);
    const from = this.#through;
    const inMemory = feed.nextRecords(interest, from, PAGE_COUNT, PAGE_BYTES_MAX);
    if (inMemory === undefined) {
      this.#through = Math.max(from, feed.head);
      return;
    }
    const page = inMemory === 'behind' ? await readPage(scope, from) : inMemory;
    // The consumer has taken up some of them during the read, so the count has started again.
    if (this.#through !== from || this.#hasChanged(scope)) return;
    this.#count += 'count' in page ? page.count : selection.matching(page.records).length;
    this.#hasGap ||= scope.reportedLoss.hasUnreported(page, from);
    this.#through = Math.max(from, page.reached);
  }

  /** The consumer has taken up `count` events, after one position and through another. */
  onTaken(count: number, after: Position, reached: Position): void {
    if (this.#after !== after || reached > this.#through) return;
    this.#count = Math.max(0, this.#count - count);
    this.#after = reached;
  }

  /**
   * The position through which there is neither an event nor a gap; `after` itself when unknown.
   */
  emptyThrough(scope: CountScope, after: Position): Position {
    const isKnown = this.#after === after && !this.#hasChanged(scope) && this.#count === 0 && !this.#hasGap;
    return isKnown ? this.#through : after;
  }

  #reset(scope: CountScope, after: Position): void {
    if (this.#after === after && !this.#hasChanged(scope)) return;
    this.#interest = scope.selection.interest;
    this.#filter = scope.selection.filter;
    this.#after = this.#through = after;
    this.#count = 0;
    this.#hasGap = false;
  }

  #hasChanged({ selection }: CountScope): boolean {
    return this.#interest !== selection.interest || this.#filter !== selection.filter;
  }
}

/** Only a filter needs the events themselves. */
function readPage({ feed, selection }: CountScope, after: Position): Promise<RecordPage | RecordCount> {
  const { interest, filter } = selection;
  return filter === undefined
    ? feed.countRecords(interest, after, feed.head)
    : feed.readRecords(interest, after, feed.head, PAGE_COUNT, PAGE_BYTES_MAX);
}
