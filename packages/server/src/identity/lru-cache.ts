/**
 * What was found out, by name: a bounded number of entries, and of bytes, of which the one that was not asked for for longest goes first.
 *
 * The order is kept in the entries themselves. A Map keeps one as well, but leaves a hole where an entry was taken out, and looking
 * for its first entry steps over all holes that have gathered at its beginning: some 10,000 for each new entry.
 */
export class LruCache<Value> {
  readonly #countMax: number;
  readonly #bytesMax: number;
  #bytes = 0;
  readonly #entries = new Map<string, Entry<Value>>();
  #newest: Entry<Value> | undefined = undefined;
  #oldest: Entry<Value> | undefined = undefined;

  /** @param countMax 0 or more; with 0 nothing is kept */
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
   * Keeps a value, in place of the one that the name had. What had to go for it, if others had to.
   * @param bytes what it takes of memory, where others choose that
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
