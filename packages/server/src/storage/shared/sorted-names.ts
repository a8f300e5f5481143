/** Entries in one run at most. To add or remove an entry moves no more than these. */
const RUN_MAX = 512;
/** With more new entries than this share of the existing ones, `sortAll` sorts all together. */
const REBUILT_SHARE = 1 / 8;
/** New entries that one step inserts: a few milliseconds among a million. */
export const SORTED_PER_STEP = 1_024;

interface Named {
  readonly name: string;
}

/**
 * Entries in the order of their names, as a list of runs. A run is a sorted array of limited
 * length, so a change costs no more when there are many entries.
 *
 * New entries are inserted when the order is needed, so that adding needs no search. A million new
 * entries take seconds to sort. So a thread that others wait for inserts them in steps.
 */
export class SortedNames<Entry extends Named> {
  /** No run is empty. */
  #runs: Entry[][] = [];
  /** The number of entries in the runs. */
  #size = 0;
  /** New entries, oldest first. Those before `#next` are in the runs. */
  #added: Entry[] = [];
  #next = 0;
  /** New entries that were deleted before they were inserted. */
  readonly #deleted = new Set<Entry>();
  /** All entries that were ever added. */
  #addedCount = 0;

  /** The number of all calls of `add`, also of entries that were deleted since. */
  get addedCount(): number {
    return this.#addedCount;
  }

  /** Of `addedCount`, the number of those that are in order: the oldest. */
  get sortedCount(): number {
    return this.#addedCount - (this.#added.length - this.#next);
  }

  /** Adds an entry with a name that is not in the list. An entry is added once. */
  add(entry: Entry): void {
    this.#added.push(entry);
    this.#addedCount++;
  }

  delete(entry: Entry): void {
    const index = this.#runIndexOf(entry.name);
    const run = this.#runs[index] ?? [];
    const at = lowerBound(run, entry.name);
    if (run[at] !== entry) {
      if (this.sortedCount < this.#addedCount) this.#deleted.add(entry);
      return;
    }
    this.#size--;
    run.splice(at, 1);
    if (run.length === 0) this.#runs.splice(index, 1);
  }

  clear(): void {
    this.#runs = [];
    this.#size = 0;
    this.#takeAdded(Infinity);
  }

  /** Inserts up to SORTED_PER_STEP of the new entries, the oldest first. */
  sortStep(): void {
    const added = this.#takeAdded(SORTED_PER_STEP).sort(byName);
    this.#size += added.length;
    // The neighbours of the next entry are in the processor's cache.
    for (const entry of added) this.#insert(entry);
  }

  /** Inserts all new entries at once. */
  sortAll(): void {
    const added = this.#takeAdded(Infinity);
    this.#size += added.length;
    if (added.length > this.#size * REBUILT_SHARE) this.#rebuild(added);
    else for (const entry of added) this.#insert(entry);
  }

  /**
   * Visits the entries after a name, for as long as `visit` returns true. New entries are not
   * visited before they are in order. `visit` must not add or remove entries.
   */
  visitAfter(name: string, visit: (entry: Entry) => boolean): void {
    const first = this.#runIndexOf(name);
    for (let index = first; index < this.#runs.length; index++) {
      const run = this.#runs[index] as Entry[];
      let at = index === first ? lowerBound(run, name) : 0;
      if (run[at]?.name === name) at++;
      for (; at < run.length; at++) if (!visit(run[at] as Entry)) return;
    }
  }

  /** Takes the oldest new entries that were not deleted. */
  #takeAdded(countMax: number): Entry[] {
    const taken = this.#added.slice(this.#next, this.#next + countMax);
    this.#next += taken.length;
    // Those that were taken are released once they are half of the list.
    if (this.#next * 2 >= this.#added.length) {
      this.#added = this.#added.slice(this.#next);
      this.#next = 0;
    }
    return this.#deleted.size === 0 ? taken : taken.filter((entry) => !this.#deleted.delete(entry));
  }

  #insert(entry: Entry): void {
    if (this.#runs.length === 0) return void this.#runs.push([entry]);
    const index = Math.min(this.#runIndexOf(entry.name), this.#runs.length - 1);
    const run = this.#runs[index] as Entry[];
    run.splice(lowerBound(run, entry.name), 0, entry);
    if (run.length > RUN_MAX) this.#runs.splice(index + 1, 0, run.splice(RUN_MAX / 2));
  }

  #rebuild(added: readonly Entry[]): void {
    const all = this.#runs.flat().concat(added).sort(byName);
    this.#runs = [];
    for (let start = 0; start < all.length; start += RUN_MAX / 2)
      this.#runs.push(all.slice(start, start + RUN_MAX / 2));
  }

  /**
   * The index of the run that has a name, or would have it. It is the first run with a last name
   * that is not before it.
   */
  #runIndexOf(name: string): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (((this.#runs[middle] as Entry[]).at(-1) as Entry).name >= name) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function byName(left: Named, right: Named): number {
  return left.name < right.name ? -1 : left.name > right.name ? 1 : 0;
}

function lowerBound(run: readonly Named[], name: string): number {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((run[middle] as Named).name >= name) high = middle;
    else low = middle + 1;
  }
  return low;
}
