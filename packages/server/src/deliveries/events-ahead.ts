import type { Feed } from '../core/feed.ts';
import type { Interest } from '../core/interest.ts';
import type { Position } from '../core/ports.ts';

/** Counts the events after a position that an interest matches: once, then only those that have come since. */
export class EventsAhead {
  #interest: Interest | undefined;
  #after: Position = 0;
  #through: Position = 0;
  #count = 0;

  /** Positions instead, which may be too many, where memory does not reach back so far. */
  count(feed: Feed, interest: Interest, after: Position, head: Position): number {
    if (after >= head) return 0;
    if (this.#after !== after || this.#interest !== interest) {
      this.#interest = interest;
      this.#after = this.#through = after;
      this.#count = 0;
    }
    const more = feed.countAfter(interest, this.#through);
    if (more === undefined) return head - after;
    this.#count += more;
    this.#through = feed.head;
    return this.#count;
  }
}
