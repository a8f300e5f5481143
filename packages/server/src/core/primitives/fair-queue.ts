/**
 * A queue that takes turns: one item of each key, in the order in which the keys came. Example:
 * with `a1`, `a2`, `b1` it returns `a1`, `b1`, `a2`.
 */
export class FairQueue<Item> {
  readonly #queues = new Map<string, Item[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(key: string, item: Item): void {
    this.#size++;
    const queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, [item]);
    else queue.push(item);
  }

  /** The number of items that wait under a key. */
  sizeOf(key: string): number {
    return this.#queues.get(key)?.length ?? 0;
  }

  /** Takes the newest item of the key with the most items, if that key has more than `moreThan`. */
  popFromLongest(moreThan: number): Item | undefined {
    let longest: Item[] = [];
    for (const queue of this.#queues.values()) if (queue.length > longest.length) longest = queue;
    if (longest.length <= moreThan) return undefined;
    this.#size--;
    return longest.pop();
  }

  shift(): Item | undefined {
    for (const [key, queue] of this.#queues) {
      const item = queue.shift();
      this.#queues.delete(key);
      if (queue.length > 0) this.#queues.set(key, queue);
      this.#size--;
      return item;
    }
    return undefined;
  }
}
