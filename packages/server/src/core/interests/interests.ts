import { PolycastError } from '@polycast/protocol';
import { Interest, interestKey, detachedCopy, sortedUnique, type Wakeable } from './interest.ts';
import { PatternIndex } from './pattern-index.ts';
import type { Position, StoredRecord } from '../ports.ts';
import { assertInvariant } from '../primitives/invariant.ts';
import { wakeReaders } from './wake-readers.ts';

/**
 * Bounds on interests without a reader, which exist so that repeated polls are answered from
 * memory. The number is bounded because each publish visits all matching ones. The bytes are
 * bounded because clients choose their length.
 */
export const IDLE_INTERESTS_MAX = 4096;
export const IDLE_BYTES_MAX: number = 16 * 1024 * 1024;

/**
 * All interests: one for all equal requests, found by the channel of an event, with the readers to
 * wake. Example: an event of `orders.42` wakes the readers of `orders.42` and those of `orders.>`.
 */
export class Interests {
  readonly #onEvicted: (interest: Interest) => void;
  readonly #byKey = new Map<string, Interest>();
  readonly #byChannel = new PatternIndex<Interest>();
  /** Interests without readers, the longest idle first. */
  readonly #idle = new Set<Interest>();
  #idleBytes = 0;
  #joinedBytes = 0;
  #readerCount = 0;
  /** Memory that the interests with readers may take, in bytes. */
  joinedBytesMax: number = Infinity;
  readonly #toWake: Interest[] = [];
  #currentRecord: StoredRecord | undefined;

  /**
   * @param onEvicted called with each evicted interest, so that its cached batches can go as well
   */
  constructor(onEvicted: (interest: Interest) => void = noop) {
    this.#onEvicted = onEvicted;
  }

  /** Memory of the interests without readers, in bytes. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** Memory of the interests with readers, in bytes. */
  get joinedBytes(): number {
    return this.#joinedBytes;
  }

  /** @throws PolycastError `overloaded` when a first reader would exceed `joinedBytesMax` */
  checkCapacity(interest: Interest): void {
    if (interest.readers.length > 0 || this.#joinedBytes + interest.bytes <= this.joinedBytesMax) return;
    throw new PolycastError(
      'overloaded',
      'The hub has reached its limit of different channels and patterns of readers.',
      { retryAfterMs: 5000 },
    );
  }

  /** The readers that have joined, without durable consumers. */
  get readerCount(): number {
    return this.#readerCount;
  }

  /** Whether any reader has joined, also a durable consumer. */
  get hasReaders(): boolean {
    return this.#joinedBytes > 0;
  }

  /** @param head of the log: a new interest knows nothing of earlier events */
  getOrCreate(
    patterns: readonly string[],
    types: readonly string[] | undefined,
    except: readonly string[],
    head: Position,
  ): Interest {
    const wanted = sortedUnique(patterns);
    const wantedTypes = types === undefined ? undefined : sortedUnique(types);
    const key = interestKey(wanted, wantedTypes, except);
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      // A repeated request, as polls send it: from now on it is answered from memory.
      if (!known.isIndexed) this.#index(known, head);
      return known;
    }
    const ownKey = detachedCopy(key);
    // The key of an interest in one channel or pattern is its text.
    const own = wanted[0] === key ? [ownKey] : wanted.map(detachedCopy);
    const interest = new Interest(ownKey, own, wantedTypes?.map(detachedCopy), except, head);
    this.#byKey.set(interest.key, interest);
    this.#addIdle(interest);
    return interest;
  }

  all(): Iterable<Interest> {
    return this.#byKey.values();
  }

  join(interest: Interest, reader: Wakeable, head: Position): void {
    if (!interest.isIndexed) this.#index(interest, head);
    reader.index = interest.readers.length;
    if (reader.isDurable !== true) this.#readerCount++;
    // `push` on an empty array allocates sixteen places, and many interests have one reader.
    if (reader.index > 0) interest.readers.push(reader);
    else {
      interest.readers = [reader];
      this.#joinedBytes += interest.bytes;
      if (this.#idle.delete(interest)) this.#idleBytes -= interest.bytes;
    }
  }

  /**
   * No interest knows of events up to a position any more. The log does. Only while nobody has
   * joined.
   */
  forgetThrough(position: Position): void {
    for (const interest of this.#byKey.values()) interest.quietFrom = Math.max(interest.quietFrom, position);
  }

  leave(interest: Interest, reader: Wakeable): void {
    const { readers } = interest;
    const { index } = reader;
    if (index < 0 || readers[index] !== reader) return;
    const last = readers[readers.length - 1] as Wakeable;
    readers[index] = last;
    last.index = index;
    readers.pop();
    reader.index = -1;
    if (reader.isDurable !== true) this.#readerCount--;
    if (readers.length > 0) return;
    this.#joinedBytes -= interest.bytes;
    this.#addIdle(interest);
  }

  /**
   * Wakes the readers of the interests that match any of these events, once an interest.
   * @param from the head before the events
   * @returns the number of woken readers
   */
  wake(records: readonly StoredRecord[], from: Position): number {
    const timeMs = records[0]?.timeMs ?? 0;
    for (const record of records) {
      this.#currentRecord = record;
      this.#byChannel.match(record.channel, this.#markForWake);
    }
    this.#currentRecord = undefined;
    let count = 0;
    for (const interest of this.#toWake) {
      interest.isWakePending = false;
      const { readers } = interest;
      wakeReaders(readers, from, timeMs);
      count += readers.length;
    }
    this.#toWake.length = 0;
    return count;
  }

  /**
   * Visits every interest and reader. An interest that was evicted between `getOrCreate` and `join`
   * while an equal one was created is not found by its key; no test does that.
   */
  assertInvariants(): void {
    let joinedBytes = 0;
    let idleBytes = 0;
    let readerCount = 0;
    for (const interest of this.#byKey.values()) {
      const { readers, bytes } = interest;
      for (const [index, reader] of readers.entries())
        assertInvariant(reader.index === index, 'interests: a reader knows its index');
      readerCount += readers.filter(({ isDurable }) => isDurable !== true).length;
      assertInvariant(this.#idle.has(interest) === (readers.length === 0), 'interests: one without readers is idle');
      assertInvariant(readers.length === 0 || interest.isIndexed, 'interests: one with readers learns of new events');
      assertInvariant(!interest.isWakePending, 'interests: no wake-up is left over');
      if (interest.isIndexed) this.#assertIndexed(interest);
      if (readers.length > 0) joinedBytes += bytes;
      else idleBytes += bytes;
    }
    assertInvariant(readerCount === this.#readerCount, 'interests: the readers are counted');
    assertInvariant(
      joinedBytes === this.#joinedBytes,
      'interests: the joined bytes are the sum over those with readers',
    );
    assertInvariant(idleBytes === this.#idleBytes, 'interests: the idle bytes are the sum over those without readers');
    assertInvariant(this.#toWake.length === 0, 'interests: the list of wake-ups is empty');
  }

  #assertIndexed(interest: Interest): void {
    for (const pattern of interest.patterns) {
      let isFound = false;
      this.#byChannel.match(pattern.replace(/[*>]/g, 'x'), (found) => (isFound ||= found === interest));
      assertInvariant(isFound, 'interests: an indexed interest is found by each of its patterns');
    }
  }

  readonly #markForWake = (interest: Interest): void => {
    const record = this.#currentRecord as StoredRecord;
    if (!interest.matchesType(record.type)) return;
    interest.lastMatched = record.position;
    if (interest.isWakePending) return;
    interest.isWakePending = true;
    this.#toWake.push(interest);
  };

  #addIdle(interest: Interest): void {
    this.#idle.add(interest);
    this.#idleBytes += interest.bytes;
    while (this.#idle.size > IDLE_INTERESTS_MAX || this.#idleBytes > IDLE_BYTES_MAX) {
      const [oldest] = this.#idle;
      if (oldest === undefined || oldest.isWakePending) return;
      this.#evict(oldest);
    }
  }

  #evict(interest: Interest): void {
    this.#idle.delete(interest);
    this.#idleBytes -= interest.bytes;
    if (this.#byKey.get(interest.key) === interest) this.#byKey.delete(interest.key);
    if (interest.isIndexed) for (const pattern of interest.patterns) this.#byChannel.remove(pattern, interest);
    interest.isIndexed = false;
    this.#onEvicted(interest);
  }

  /**
   * From now on the interest learns of new events. It may have been evicted between `getOrCreate`
   * and `join`.
   */
  #index(interest: Interest, head: Position): void {
    interest.isIndexed = true;
    interest.quietFrom = head;
    if (!this.#byKey.has(interest.key)) this.#byKey.set(interest.key, interest);
    for (const pattern of interest.patterns) this.#byChannel.add(pattern, interest);
  }
}

function noop(): void {}
