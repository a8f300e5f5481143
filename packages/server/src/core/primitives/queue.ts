/** A FIFO queue. `shift` is O(1): the array is compacted when half of it is empty. */
export class Queue<Item> {
  #items: (Item | undefined)[] = [];
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  shift(): Item | undefined {
    if (this.#first >= this.#items.length) return undefined;
    const item = this.#items[this.#first];
    this.#items[this.#first++] = undefined;
    if (this.#first === this.#items.length) {
      // Emptied in place, as this is the most frequent case.
      this.#items.length = 0;
      this.#first = 0;
    } else if (this.#first >= 64 && this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  /** The item at an index from the first, which must be below `length`. */
  at(index: number): Item {
    return this.#items[this.#first + index] as Item;
  }

  /** Removes all but the first `length` items. */
  truncate(length: number): void {
    this.#items.length = Math.min(this.#items.length, this.#first + length);
  }
}
