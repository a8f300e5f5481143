import { PolycastError, type GapReason } from '@polycast/protocol';
import type { Interest } from './interests/interest.ts';
import type { CountedPage, Log, Position, ReadPage, ReadQuery } from './ports.ts';
import { Semaphore } from './primitives/semaphore.ts';
import type { Tail } from './tail.ts';
import { alwaysWanted, SingleFlight, type IsWanted } from './primitives/single-flight.ts';

/** Reads the log behind the tail, a page at a time, with a bound on concurrent reads. */
export class LogReader {
  readonly #log: Log;
  readonly #semaphore: Semaphore;
  readonly #stats: { logReads: number };
  readonly #startLookups = new SingleFlight<Position>();

  /**
   * @param stats counts each page
   * @param concurrentMax concurrent reads; the others wait in a queue
   */
  constructor(log: Log, stats: { logReads: number }, concurrentMax: number) {
    this.#log = log;
    this.#stats = stats;
    this.#semaphore = new Semaphore(concurrentMax);
  }

  /** @throws PolycastError `internal_error`, or the error of the log */
  page(
    interest: Interest,
    after: Position,
    through: Position,
    direction: 'forward' | 'backward',
    limit: number,
    bytesMax: number,
    isWanted: IsWanted = alwaysWanted,
  ): Promise<ReadPage> {
    const query = { ...selectionOf(interest), after, through, direction, limit, bytesMax };
    return this.#run(() => this.#log.read(query), isWanted);
  }

  /**
   * Counts the events of a page, without their bodies.
   * @throws PolycastError as `page` does
   */
  count(interest: Interest, after: Position, through: Position): Promise<CountedPage> {
    return this.#run(() => this.#log.count({ ...selectionOf(interest), after, through }), alwaysWanted);
  }

  async #run<Page>(read: () => Promise<Page>, isWanted: IsWanted): Promise<Page> {
    try {
      return await this.#semaphore.run(() => {
        // All callers may have gone while the read was in the queue.
        if (!isWanted()) throw new PolycastError('overloaded', 'The read was cancelled.');
        this.#stats.logReads++;
        return read();
      });
    } catch (error) {
      throw error instanceof PolycastError
        ? error
        : new PolycastError('internal_error', 'The log could not be read.', undefined, { cause: error });
    }
  }

  /**
   * The position before the last `count` events of an interest. Equal requests at one time share
   * the answer.
   */
  historyStart(interest: Interest, count: number, head: Position, isWanted: IsWanted): Promise<Position> {
    const key = `${count} ${head} ${interest.key}`;
    return this.#startLookups.share(key, isWanted, (isAnyWaiting) =>
      this.#findStart(interest, count, head, isAnyWaiting),
    );
  }

  async #findStart(interest: Interest, count: number, head: Position, isWanted: IsWanted): Promise<Position> {
    let through = head;
    let remaining = count;
    for (let pages = 0; remaining > 0 && through > 0 && pages < HISTORY_PAGES_MAX; pages++) {
      const page = await this.page(interest, 0, through, 'backward', remaining, HISTORY_PAGE_BYTES_MAX, isWanted);
      const oldest = page.records[page.records.length - 1];
      remaining -= page.records.length;
      through = remaining > 0 || oldest === undefined ? page.reached : oldest.position - 1;
    }
    return through;
  }
}

/**
 * The gap that a page reports. Damage ends a page, so the whole gap has the reason `corrupt`. A gap
 * with erased events has the reason `erased`, since its reader should drop its copies of them.
 */
export function gapOf(
  {
    trimmedThrough,
    erasedThrough,
    corruptThrough,
  }: Pick<ReadPage, 'trimmedThrough' | 'erasedThrough' | 'corruptThrough'>,
  after: Position,
): { readonly gapThrough: Position; readonly gapReason: GapReason } {
  if (corruptThrough > after) return { gapThrough: Math.max(corruptThrough, trimmedThrough), gapReason: 'corrupt' };
  return {
    gapThrough: trimmedThrough > after ? trimmedThrough : 0,
    gapReason: erasedThrough > after ? 'erased' : 'retention',
  };
}

/**
 * The position at which a read of the log ends. From there on the tail has more events, because the
 * log does not store ephemeral ones.
 */
export function pageEnd(tail: Tail, after: Position): Position {
  return tail.start > after ? tail.start : tail.head;
}

/** Events in one page of the log, at most. */
export const LOG_PAGE_COUNT_MAX = 1000;

function selectionOf({ patterns, types }: Interest): Pick<ReadQuery, 'patterns' | 'types'> {
  return { patterns, types: types === undefined ? undefined : [...types] };
}

/**
 * Each page visits some 2,000 events at most. So the search ends after some 100,000 events: rarer
 * events are not searched further back.
 */
const HISTORY_PAGES_MAX = 50;
/** Memory for one page when events are only counted. */
const HISTORY_PAGE_BYTES_MAX = 1024 * 1024;
