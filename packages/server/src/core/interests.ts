import { Interest, interestKey, sortedUnique, type Woken } from './interest.ts';
import { PatternIndex } from './pattern-index.ts';
import type { Position, StoredRecord } from './ports.ts';

/** Interests kept without a reader, so that polls are answered by what is known. */
const IDLE_INTERESTS_MAX = 4096;

/** Who wants what: one interest for all who want the same, found by what is published, and its readers, to be woken. */
export class Interests {
  readonly #byKey = new Map<string, Interest>();
  readonly #byChannel = new PatternIndex<Interest>();
  /** Interests without readers, the longest idle first. */
  readonly #idle = new Set<Interest>();
  readonly #toWake: Interest[] = [];
  #waking: StoredRecord | undefined;

  /** @param head of the log: nothing that stands before it is known to a new interest */
  of(
    patterns: readonly string[],
    types: readonly string[] | undefined,
    except: readonly string[],
    head: Position,
  ): Interest {
    const wanted = sortedUnique(patterns);
    const wantedTypes = types === undefined ? undefined : sortedUnique(types);
    const key = interestKey(wanted, wantedTypes, except);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const interest = new Interest(key, wanted, wantedTypes, except, head);
    this.#byKey.set(key, interest);
    for (const pattern of wanted) this.#byChannel.add(pattern, interest);
    this.#rest(interest);
    return interest;
  }

  all(): Iterable<Interest> {
    return this.#byKey.values();
  }

  join(interest: Interest, reader: Woken, head: Position): void {
    // It may have been retired between being asked for and being joined.
    if (interest.isRetired) this.#revive(interest, head);
    this.#idle.delete(interest);
    reader.index = interest.readers.length;
    // An empty list that is pushed to makes room for sixteen: many have but one.
    if (reader.index === 0) interest.readers = [reader];
    else interest.readers.push(reader);
  }

  leave(interest: Interest, reader: Woken): void {
    const { readers } = interest;
    const { index } = reader;
    if (index < 0 || readers[index] !== reader) return;
    const last = readers[readers.length - 1] as Woken;
    readers[index] = last;
    last.index = index;
    readers.pop();
    reader.index = -1;
    if (readers.length === 0) this.#rest(interest);
  }

  /**
   * Wakes the readers that want any of these events, each interest's once.
   * @param from the head before them
   * @returns how many readers those were
   */
  wake(records: readonly StoredRecord[], from: Position): number {
    for (const record of records) {
      this.#waking = record;
      this.#byChannel.match(record.channel, this.#mark);
    }
    this.#waking = undefined;
    let count = 0;
    for (const interest of this.#toWake) {
      interest.woken = false;
      const { readers } = interest;
      // From the end: a reader that leaves while it is woken is replaced by one that has had its turn.
      for (let index = readers.length - 1; index >= 0; index--) readers[index]?.wake(from);
      count += readers.length;
    }
    this.#toWake.length = 0;
    return count;
  }

  readonly #mark = (interest: Interest): void => {
    const record = this.#waking as StoredRecord;
    if (!interest.wantsType(record.type)) return;
    interest.lastMatched = record.position;
    if (interest.woken) return;
    interest.woken = true;
    this.#toWake.push(interest);
  };

  #rest(interest: Interest): void {
    this.#idle.add(interest);
    if (this.#idle.size <= IDLE_INTERESTS_MAX) return;
    const [longest] = this.#idle;
    if (longest === undefined || longest.woken) return;
    this.#idle.delete(longest);
    longest.isRetired = true;
    if (this.#byKey.get(longest.key) === longest) this.#byKey.delete(longest.key);
    for (const pattern of longest.patterns) this.#byChannel.remove(pattern, longest);
  }

  #revive(interest: Interest, head: Position): void {
    interest.isRetired = false;
    interest.quietFrom = head;
    if (!this.#byKey.has(interest.key)) this.#byKey.set(interest.key, interest);
    for (const pattern of interest.patterns) this.#byChannel.add(pattern, interest);
  }
}
