/**
 * A cache of values by name, with a bound on entries and on bytes. At a bound it evicts the entry
 * that was used least recently.
 *
 * The entries form a linked list in the order of use. A Map has an order as well, but it leaves a
 * hole for each deleted entry. Finding its first entry then steps over all holes at its beginning:
 * about 10,000 for each new entry.
 */
export class LruCache<Value> {
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
    if (entry !== this.#newest) {
      this.#unlink(entry);
      this.#append(entry);
    }
    return entry.value;
  }

  /**
   * Stores a value, and replaces the one of the same name.
   * @param bytes its size in memory, if clients choose that size
   * @returns the evicted values
   */
  set(name: string, value: Value, bytes = 0): readonly Value[] {
    this.delete(name);
    const entry: Entry<Value> = { name, value, bytes, older: undefined, newer: undefined };
    this.#entries.set(name, entry);
    this.#append(entry);
    this.#bytes += bytes;
    if (!this.#isOverLimit) return NONE;
    const evicted: Value[] = [];
    while (this.#isOverLimit) {
      const oldest = this.#oldest as Entry<Value>;
      this.delete(oldest.name);
      evicted.push(oldest.value);
    }
    return evicted;
  }

  get #isOverLimit(): boolean {
    return this.#entries.size > this.#countMax || (this.#bytes > this.#bytesMax && this.#entries.size > 0);
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
  older: Entry<Value> | undefined;
  newer: Entry<Value> | undefined;
}

const NONE: readonly never[] = [];
