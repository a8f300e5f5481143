import { hasWildcard } from '@polycast/protocol';
import type { CachedBatch } from '../events/batch.ts';
import { PatternSet } from './pattern-set.ts';
import type { Position, StoredRecord } from '../ports.ts';

/** A reader or a durable subscription, which is woken when there are new events. */
export interface Wakeable {
  /**
   * Called when matching events have been appended after `from`, the head before this commit. A
   * consumer that had caught up may set its position to `from`.
   * @param timeMs publish time of the first event after `from`, in milliseconds since 1970
   */
  wake(from: Position, timeMs: number): void;
  /**
   * Reads the memory that `wake` is about to need, and changes nothing. The result is any number
   * made of what was read, not negative. Absent where a wake-up writes nothing.
   */
  prefetch?(): number;
  /** A reader has delivered, and a subscription has taken up, every event up to here. */
  readonly position: Position;
  /** Index among the readers of its interest; -1 while it has not joined. */
  index: number;
  /** True for a durable subscription, which the lag of readers leaves out. */
  readonly isDurable?: boolean;
}

/**
 * The channels and types that consumers ask for. Consumers with equal requests share one interest,
 * and with it the joined frames of their next events. Example: 10,000 readers of `news` are one
 * interest.
 */
export class Interest {
  readonly key: string;
  /** Sorted, without duplicates. */
  readonly patterns: readonly string[];
  readonly types: ReadonlySet<string> | undefined;
  /** Patterns excluded from the others: the session receives their events already. */
  readonly except: readonly string[];
  readonly hasWildcard: boolean;
  /** Memory at most: the texts in its key, its lists and the index, and their containers. */
  readonly bytes: number;
  /**
   * The readers and durable consumers that have joined.
   * Each knows its index, so that leaving is O(1).
   */
  readers: Wakeable[] = [];
  /** Cached batches, the most recently used last. `undefined` before the first. */
  batches: CachedBatch[] | undefined;
  /** Position of the newest matching event since the interest was created; 0 before the first. */
  lastMatched: Position = 0;
  /** No event between this position and the moment of indexing matches. */
  quietFrom: Position;
  /**
   * Whether the interest is in the index, and so learns of new events. It is indexed when a reader
   * joins, or when a second request asks for it. It leaves the index after a long idle time.
   */
  isIndexed = false;
  /** Whether it is on the list of interests to wake in this turn. */
  isWakePending = false;

  #included: PatternSet | undefined;
  #excluded: PatternSet | undefined;

  constructor(
    key: string,
    patterns: readonly string[],
    types: readonly string[] | undefined,
    except: readonly string[],
    head: Position,
  ) {
    this.key = key;
    this.patterns = patterns;
    this.types = types === undefined ? undefined : new Set(types);
    this.except = except;
    this.hasWildcard = patterns.some(hasWildcard);
    this.quietFrom = head;
    let bytes = INTEREST_BYTES;
    for (const pattern of patterns) bytes += PATTERN_BYTES + 3 * pattern.length;
    for (const type of types ?? NO_TYPES) bytes += TEXT_BYTES + 2 * type.length;
    for (const pattern of except) bytes += PATTERN_BYTES + 2 * pattern.length;
    this.bytes = bytes;
  }

  /** Whether an event matches. */
  matches(record: StoredRecord): boolean {
    return this.matchesType(record.type) && this.covers(record.channel);
  }

  matchesType(type: string | undefined): boolean {
    return this.types === undefined || (type !== undefined && this.types.has(type));
  }

  /**
   * Whether there may be a matching event after a position. `undefined` when the interest does not
   * know.
   */
  mayHaveNewEvents(after: Position): boolean | undefined {
    return this.isIndexed && after >= this.quietFrom ? this.lastMatched > after : undefined;
  }

  /**
   * Records that there is no matching event after a position and up to `through`, and never was.
   */
  markQuiet(after: Position, through: Position): void {
    if (after < this.quietFrom && through >= this.quietFrom) this.quietFrom = after;
  }

  /** Whether the patterns include a channel, whatever the types. */
  covers(channel: string): boolean {
    if (!this.hasWildcard && this.except.length === 0 && this.patterns.length === 1)
      return this.patterns[0] === channel;
    // Created on first use: an interest in one channel needs no set.
    this.#included ??= new PatternSet(this.patterns);
    if (!this.#included.covers(channel)) return false;
    if (this.except.length === 0) return true;
    this.#excluded ??= new PatternSet(this.except);
    return !this.#excluded.covers(channel);
  }
}

const NO_TYPES: readonly string[] = [];

/**
 * Measured, and rounded up: the interest with its places in maps; a pattern with its nodes, lists
 * and strings; any other text.
 */
const INTEREST_BYTES = 600;
const PATTERN_BYTES = 500;
const TEXT_BYTES = 60;

/** A key that equal interests share. */
export function interestKey(
  patterns: readonly string[],
  types: readonly string[] | undefined,
  except: readonly string[],
): string {
  if (types === undefined && except.length === 0 && patterns.length === 1) return patterns[0] as string;
  return JSON.stringify([patterns, types ?? null, except]);
}

/**
 * A copy of a text without its parent string. A slice of a request's URL would keep the whole URL
 * in memory.
 */
export function detachedCopy(text: string): string {
  return [text, ''].join('');
}

/** Sorted, without duplicates. */
export function sortedUnique(texts: readonly string[]): readonly string[] {
  return texts.length < 2 ? texts : [...new Set(texts)].sort();
}
