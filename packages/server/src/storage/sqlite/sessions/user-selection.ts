import { secondOf, type UserSessionsQuery } from '../../../core/session-journal/session-journal-store.ts';
import type { Segment } from './segment.ts';

interface Candidate {
  readonly second: number;
  readonly number: number;
}

/** The first sessions of a query for those of a user, in its order, out of all that are offered. */
export class UserSelection {
  readonly #limit: number;
  /** The seconds and the place that bound the query. */
  readonly #from: number;
  readonly #before: Candidate;
  readonly #direction: 1 | -1;
  #candidates: Candidate[] = [];

  constructor(query: UserSessionsQuery) {
    this.#limit = query.limit;
    const isForward = 'fromMs' in query;
    this.#direction = isForward ? 1 : -1;
    this.#from = isForward ? secondOf(query.fromMs) : 0;
    this.#before = isForward
      ? { second: Infinity, number: 0 }
      : { second: secondOf(query.before.openedMs), number: query.before.number };
  }

  inOrder(segments: readonly Segment[]): readonly Segment[] {
    return this.#direction === 1 ? segments : segments.toReversed();
  }

  /** Whether a session of the segment may be among the first ones. */
  mayTakeFrom({ oldestSecond, lastMs }: Segment): boolean {
    const newestSecond = secondOf(lastMs);
    if (newestSecond < this.#from || oldestSecond > this.#before.second) return false;
    const worst = this.#chosen()[this.#limit - 1]?.second;
    return worst === undefined || (this.#direction === 1 ? oldestSecond <= worst : newestSecond >= worst);
  }

  offer(candidate: Candidate): void {
    if (candidate.second < this.#from || inOrder(candidate, this.#before) >= 0) return;
    this.#candidates.push(candidate);
    if (this.#candidates.length >= 4 * this.#limit + 1000) this.#chosen();
  }

  numbers(): ReadonlySet<number> {
    return new Set(this.#chosen().map(({ number }) => number));
  }

  #chosen(): readonly Candidate[] {
    this.#candidates.sort((one, other) => this.#direction * inOrder(one, other));
    return (this.#candidates = this.#candidates.slice(0, this.#limit));
  }
}

function inOrder(one: Candidate, other: Candidate): number {
  return one.second - other.second || one.number - other.number;
}
