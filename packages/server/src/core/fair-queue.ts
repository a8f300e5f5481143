/** Waiting in line, by turns: one of each key, in the order in which the keys came. */
export class FairQueue<Item> {
  readonly #lines = new Map<string, Item[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(key: string, item: Item): void {
    this.#size++;
    const line = this.#lines.get(key);
    if (line === undefined) this.#lines.set(key, [item]);
    else line.push(item);
  }

  /** How many wait under a key. */
  sizeOf(key: string): number {
    return this.#lines.get(key)?.length ?? 0;
  }

  /** Takes the newest of the key with the most, if that has more than so many. */
  takeFromLongest(moreThan: number): Item | undefined {
    let longest: Item[] = [];
    for (const line of this.#lines.values()) if (line.length > longest.length) longest = line;
    if (longest.length <= moreThan) return undefined;
    this.#size--;
    return longest.pop();
  }

  take(): Item | undefined {
    for (const [key, line] of this.#lines) {
      const item = line.shift();
      this.#lines.delete(key);
      if (line.length > 0) this.#lines.set(key, line);
      this.#size--;
      return item;
    }
    return undefined;
  }
}
