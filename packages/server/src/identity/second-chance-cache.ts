/**
 * A cache of values by name, with a bound on entries and on bytes. At a bound it evicts an entry
 * that was not used for long.
 *
 * The entries form a linked list, the newest first. A use only marks its entry. To move the entry
 * would write to three others, which have left the processor's caches in a large cache. At the end
 * of the list an entry with a mark has a second chance: it loses the mark, and is the newest again.
 *
 * A Map has an order as well, but it leaves a hole for each deleted entry. Finding its first entry
 * then steps over all holes at its beginning: about 10,000 for each new entry.
 */
export class SecondChanceCache<Value> {
  readonly #countMax: number;
  readonly #bytesMax: number;
  #bytes = 0;
  readonly #entries = new Map<string, Entry<Value>>();
  #newest: Entry<Value> | undefined = undefined;
  #oldest: Entry<Value> | undefined = undefined;

  /** @param countMax 0 or more; with 0 the cache holds nothing */
  constructor(countMax: number, bytesMax: number = Infinity) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(name: string): Value | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    if (!entry.isUsed) entry.isUsed = true;
    return entry.value;
  }

  /**
   * Stores a value, and replaces the one of the same name.
   * @param bytes its size in memory, if clients choose that size
   * @returns the evicted values; the value itself, if it is larger than the cache
   */
  set(name: string, value: Value, bytes = 0): readonly Value[] {
    this.delete(name);
    const evicted = this.#hasRoomFor(bytes) ? NONE : this.#makeRoomFor(bytes);
    if (this.#countMax === 0 || bytes > this.#bytesMax) return [...evicted, value];
    const entry: Entry<Value> = { name, value, bytes, isUsed: false, older: undefined, newer: undefined };
    this.#entries.set(name, entry);
    this.#append(entry);
    this.#bytes += bytes;
    return evicted;
  }

  #hasRoomFor(bytes: number): boolean {
    return this.#entries.size < this.#countMax && this.#bytes + bytes <= this.#bytesMax;
  }

  #makeRoomFor(bytes: number): readonly Value[] {
    const evicted: Value[] = [];
    while (this.#oldest !== undefined && !this.#hasRoomFor(bytes)) {
      const { name, value } = this.#oldestUnused(this.#oldest);
      this.delete(name);
      evicted.push(value);
    }
    return evicted;
  }

  /** The oldest entry without a mark. If too many have one, the next entry counts as unused. */
  #oldestUnused(oldest: Entry<Value>): Entry<Value> {
    let entry = oldest;
    for (let chances = 0; entry.isUsed && chances < CHANCES_MAX; chances++) {
      const next = entry.newer ?? entry;
      entry.isUsed = false;
      this.#unlink(entry);
      this.#append(entry);
      entry = next;
    }
    return entry;
  }

  delete(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    this.#bytes -= entry.bytes;
    this.#unlink(entry);
  }

  #append(entry: Entry<Value>): void {
    entry.older = this.#newest;
    entry.newer = undefined;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  #unlink({ older, newer }: Entry<Value>): void {
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
  }
}

interface Entry<Value> {
  readonly name: string;
  readonly value: Value;
  readonly bytes: number;
  /** Since it became the newest. */
  isUsed: boolean;
  older: Entry<Value> | undefined;
  newer: Entry<Value> | undefined;
}

/** Entries that have a second chance for one that is evicted. It bounds the time of an eviction. */
const CHANCES_MAX = 100;
const NONE: readonly never[] = [];
