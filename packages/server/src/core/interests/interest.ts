import { hasWildcard } from '@polycast/protocol';
import type { CachedBatch } from '../events/batch.ts';
import { PatternSet } from './pattern-set.ts';
import type { Position, StoredRecord } from '../ports.ts';

/** Who is woken when there is something for it to read: a reader of frames, or a durable subscription. */
export interface Wakeable {
  /** Events that are meant have been appended after `from`; whoever had come up to the head before has everything up to there. */
  wake(from: Position): void;
  /** Everything up to and with this has been delivered. */
  readonly position: Position;
  /** Where it stands among its interest's readers; -1 while it is not among them. */
  index: number;
  /** Of a durable subscription, which is not counted among those that are live. */
  readonly isDurable?: boolean;
}

/**
 * A set of channels (and types) that consumers want. All consumers that want the same share one interest, and with it the
 * joined frames of what comes next.
 */
export class Interest {
  readonly key: string;
  /** Sorted, without doubles. */
  readonly patterns: readonly string[];
  readonly types: ReadonlySet<string> | undefined;
  /** Left out although a pattern covers them: what a session already gets. */
  readonly except: readonly string[];
  readonly hasWildcard: boolean;
  /** What it takes of memory, at most: the texts in its key, its lists and the index, and what holds them. */
  readonly bytes: number;
  /** The live consumers; each knows its index, so that leaving is O(1). */
  readers: Wakeable[] = [];
  /** Recently joined frames, those last that were asked for last. */
  readonly batches: CachedBatch[] = [];
  /** The newest event meant since this interest was made; 0 before the first. */
  lastMatched: Position = 0;
  /** Nothing that is meant stands after this position and before this interest was made. */
  quietFrom: Position;
  /**
   * Whether it is in the index, so that it knows of news. It is once a reader has joined it, or a second request has asked
   * for it; no longer once it has been idle for long.
   */
  isIndexed = false;
  /** Whether it has been put on the list of those to be woken in this turn. */
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

  /** Whether an event is meant. */
  matches(record: StoredRecord): boolean {
    return this.matchesType(record.type) && this.covers(record.channel);
  }

  matchesType(type: string | undefined): boolean {
    return this.types === undefined || (type !== undefined && this.types.has(type));
  }

  /** Whether something meant may stand after a position that the interest has an eye on; `undefined`: it has not. */
  mayHaveNewEvents(after: Position): boolean | undefined {
    return this.isIndexed && after >= this.quietFrom ? this.lastMatched > after : undefined;
  }

  /** Notes that nothing meant stands, or ever stood, after a position and up to and with another. */
  markQuiet(after: Position, through: Position): void {
    if (after < this.quietFrom && through >= this.quietFrom) this.quietFrom = after;
  }

  /** Whether a channel is one of those that are meant, whatever the types. */
  covers(channel: string): boolean {
    if (!this.hasWildcard && this.except.length === 0 && this.patterns.length === 1)
      return this.patterns[0] === channel;
    // Made when first asked for: one channel needs none.
    this.#included ??= new PatternSet(this.patterns);
    if (!this.#included.covers(channel)) return false;
    if (this.except.length === 0) return true;
    this.#excluded ??= new PatternSet(this.except);
    return !this.#excluded.covers(channel);
  }
}

const NO_TYPES: readonly string[] = [];

/** Measured, and rounded up: the interest and its places in maps; a pattern's nodes, lists and strings; any other text. */
const INTEREST_BYTES = 600;
const PATTERN_BYTES = 500;
const TEXT_BYTES = 60;

/** The name that equal interests have in common. */
export function interestKey(
  patterns: readonly string[],
  types: readonly string[] | undefined,
  except: readonly string[],
): string {
  if (types === undefined && except.length === 0 && patterns.length === 1) return patterns[0] as string;
  return JSON.stringify([patterns, types ?? null, except]);
}

/** A text that holds nothing but itself: one that was cut out of a request's address keeps all of that alive. */
export function detachedCopy(text: string): string {
  return [text, ''].join('');
}

/** Sorted, without doubles. */
export function sortedUnique(texts: readonly string[]): readonly string[] {
  return texts.length < 2 ? texts : [...new Set(texts)].sort();
}
