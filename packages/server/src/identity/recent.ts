/**
 * What was found out, by name: a bounded number of entries, and of bytes, of which the one that was not asked for for longest goes first.
 *
 * The order is kept in the entries themselves. A Map keeps one as well, but leaves a hole where an entry was taken out, and looking
 * for its first entry steps over all holes that have gathered at its beginning: some 10,000 for each new entry.
 */
export class Recent<Value> {
  readonly #countMax: number;
  readonly #bytesMax: number;
  #bytes = 0;
  readonly #links = new Map<string, Link<Value>>();
  #newest: Link<Value> | undefined = undefined;
  #oldest: Link<Value> | undefined = undefined;

  /** @param countMax 0 or more; with 0 nothing is kept */
  constructor(countMax: number, bytesMax: number = Infinity) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#links.size;
  }

  get(name: string): Value | undefined {
    const link = this.#links.get(name);
    if (link === undefined) return undefined;
    if (link !== this.#newest) {
      this.#unlink(link);
      this.#append(link);
    }
    return link.value;
  }

  /**
   * Keeps a value, in place of the one that the name had. What had to go for it, if others had to.
   * @param bytes what it takes of memory, where others choose that
   */
  set(name: string, value: Value, bytes = 0): readonly Value[] {
    this.delete(name);
    const link: Link<Value> = { name, value, bytes, older: undefined, newer: undefined };
    this.#links.set(name, link);
    this.#append(link);
    this.#bytes += bytes;
    if (!this.#isOver) return NOTHING;
    const gone: Value[] = [];
    while (this.#isOver) {
      const oldest = this.#oldest as Link<Value>;
      this.delete(oldest.name);
      gone.push(oldest.value);
    }
    return gone;
  }

  get #isOver(): boolean {
    return this.#links.size > this.#countMax || (this.#bytes > this.#bytesMax && this.#links.size > 0);
  }

  delete(name: string): void {
    const link = this.#links.get(name);
    if (link === undefined) return;
    this.#links.delete(name);
    this.#bytes -= link.bytes;
    this.#unlink(link);
  }

  #append(link: Link<Value>): void {
    link.older = this.#newest;
    link.newer = undefined;
    if (this.#newest === undefined) this.#oldest = link;
    else this.#newest.newer = link;
    this.#newest = link;
  }

  #unlink({ older, newer }: Link<Value>): void {
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
  }
}

interface Link<Value> {
  readonly name: string;
  readonly value: Value;
  readonly bytes: number;
  older: Link<Value> | undefined;
  newer: Link<Value> | undefined;
}

const NOTHING: readonly never[] = [];
