import { assertInvariant } from '../../core/primitives/invariant.ts';

/** An item of a heap. It knows its own index, so that the heap moves and removes it in O(log n). */
export interface DueItem {
  /** Milliseconds of any one clock. While the item is in a heap, only `set` may change it. */
  dueMs: number;
  /** Set by the heap; -1 while the item is in none. */
  heapIndex: number;
}

/** A heap of items, ordered by when they are due. */
export class DueHeap<Item extends DueItem> {
  readonly #items: Item[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** When the first item is due; Infinity when the heap is empty. */
  get nextMs(): number {
    return this.#items[0]?.dueMs ?? Infinity;
  }

  /** Adds an item, or moves it. */
  set(item: Item, dueMs: number): void {
    if (item.heapIndex < 0) {
      item.heapIndex = this.#items.length;
      this.#items.push(item);
    }
    item.dueMs = dueMs;
    this.#siftUp(item);
    this.#siftDown(item);
  }

  remove(item: Item): void {
    const { heapIndex } = item;
    if (heapIndex < 0) return;
    item.heapIndex = -1;
    const last = this.#items.pop() as Item;
    if (last === item) return;
    last.heapIndex = heapIndex;
    this.#items[heapIndex] = last;
    this.#siftUp(last);
    this.#siftDown(last);
  }

  /** Removes and returns the first item, if it is due at `nowMs`. */
  takeDue(nowMs: number): Item | undefined {
    const first = this.#items[0];
    if (first === undefined || first.dueMs > nowMs) return undefined;
    this.remove(first);
    return first;
  }

  /** In no particular order. */
  items(): Iterable<Item> {
    return this.#items;
  }

  /** Visits every item. */
  assertInvariants(): void {
    for (const [index, item] of this.#items.entries()) {
      assertInvariant(item.heapIndex === index, 'heap: an item knows its index');
      const parent = this.#items[(index - 1) >>> 1];
      assertInvariant(index === 0 || (parent as Item).dueMs <= item.dueMs, 'heap: no item is due before its parent');
    }
  }

  #siftUp(item: Item): void {
    let at = item.heapIndex;
    while (at > 0) {
      const parentAt = (at - 1) >>> 1;
      const parent = this.#items[parentAt] as Item;
      if (parent.dueMs <= item.dueMs) break;
      this.#items[at] = parent;
      parent.heapIndex = at;
      at = parentAt;
    }
    this.#items[at] = item;
    item.heapIndex = at;
  }

  #siftDown(item: Item): void {
    let at = item.heapIndex;
    for (;;) {
      let childAt = at * 2 + 1;
      if (childAt >= this.#items.length) break;
      const other = this.#items[childAt + 1];
      if (other !== undefined && other.dueMs < (this.#items[childAt] as Item).dueMs) childAt++;
      const child = this.#items[childAt] as Item;
      if (child.dueMs >= item.dueMs) break;
      this.#items[at] = child;
      child.heapIndex = at;
      at = childAt;
    }
    this.#items[at] = item;
    item.heapIndex = at;
  }
}
