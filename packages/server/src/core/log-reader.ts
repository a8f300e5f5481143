import { PolycastError, type GapReason } from '@polycast/protocol';
import type { Interest } from './interests/interest.ts';
import type { Log, Position, ReadPage } from './ports.ts';
import { Semaphore } from './primitives/semaphore.ts';
import type { Tail } from './tail.ts';
import { SingleFlight, type IsWanted } from './primitives/single-flight.ts';

/** What is read of the log behind the tail: a page at a time, so many pages at once. */
export class LogReader {
  readonly #log: Log;
  readonly #semaphore: Semaphore;
  readonly #stats: { logReads: number };
  readonly #startLookups = new SingleFlight<Position>();

  /**
   * @param stats where each page is counted
   * @param concurrentMax reads under way at once; the others wait in line
   */
  constructor(log: Log, stats: { logReads: number }, concurrentMax: number) {
    this.#log = log;
    this.#stats = stats;
    this.#semaphore = new Semaphore(concurrentMax);
  }

  /** @throws PolycastError `internal_error`, or what the log says */
  async page(
    interest: Interest,
    after: Position,
    through: Position,
    direction: 'forward' | 'backward',
    limit: number,
    bytesMax: number,
    isWanted: IsWanted = always,
  ): Promise<ReadPage> {
    const types = interest.types === undefined ? undefined : [...interest.types];
    const query = { patterns: interest.patterns, types, after, through, direction, limit, bytesMax };
    try {
      return await this.#semaphore.run(() => {
        // Whoever asked may have gone while it was in line.
        if (!isWanted()) throw new PolycastError('overloaded', 'Nobody waits for this read any more.');
        this.#stats.logReads++;
        return this.#log.read(query);
      });
    } catch (error) {
      throw error instanceof PolycastError
        ? error
        : new PolycastError('internal_error', 'The log could not be read.', { cause: String(error) });
    }
  }

  /** The position from which the last `count` events of an interest are ahead; those who ask at one time share the answer. */
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

/** What a page of the log says is lost. What is damaged ends a page, so all of it is told as that. */
export function gapOf(
  { trimmedThrough, corruptThrough }: ReadPage,
  after: Position,
): { readonly gapThrough: Position; readonly gapReason: GapReason } {
  if (corruptThrough > after) return { gapThrough: Math.max(corruptThrough, trimmedThrough), gapReason: 'corrupt' };
  return { gapThrough: trimmedThrough > after ? trimmedThrough : 0, gapReason: 'retention' };
}

/** Where whoever reads the log goes no farther: from there on the tail knows more, as the log keeps no ephemeral events. */
export function pageEnd(tail: Tail, after: Position): Position {
  return tail.start > after ? tail.start : tail.head;
}

/** Events in one page of the log, at most. */
export const LOG_PAGE_COUNT_MAX = 1000;

function always(): boolean {
  return true;
}

/** Each looks at some 2,000 events at most: what is rarer than one in 100,000 is not searched for any farther back. */
const HISTORY_PAGES_MAX = 50;
/** In memory at once when events are only counted. */
const HISTORY_PAGE_BYTES_MAX = 1024 * 1024;
