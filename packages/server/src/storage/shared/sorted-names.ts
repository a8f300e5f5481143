/** Entries in one run at most. To add or remove an entry moves no more than these. */
const RUN_MAX = 512;
/** With more new entries than this share of the existing ones, all are sorted together. */
const REBUILT_SHARE = 1 / 8;

interface Named {
  readonly name: string;
}

/**
 * Entries in the order of their names, as a list of runs. A run is a sorted array of limited
 * length, so a change costs no more when there are many entries.
 */
export class SortedNames<Entry extends Named> {
  /** No run is empty. */
  #runs: Entry[][] = [];
  /** The number of entries in the runs. */
  #size = 0;
  /**
   * Entries that are not in the runs yet. They are inserted when the order is needed, so that
   * adding needs no search.
   */
  readonly #added = new Set<Entry>();

  /** Adds an entry with a name that is not in the list. */
  add(entry: Entry): void {
    this.#added.add(entry);
  }

  delete(entry: Entry): void {
    if (this.#added.delete(entry)) return;
    const index = this.#runIndexOf(entry.name);
    const run = this.#runs[index] ?? [];
    const at = lowerBound(run, entry.name);
    if (run[at] !== entry) return;
    this.#size--;
    run.splice(at, 1);
    if (run.length === 0) this.#runs.splice(index, 1);
  }

  clear(): void {
    this.#runs = [];
    this.#size = 0;
    this.#added.clear();
  }

  /**
   * Visits the entries after a name, for as long as `visit` returns true. `visit` must not add or
   * remove entries.
   */
  visitAfter(name: string, visit: (entry: Entry) => boolean): void {
    this.#mergeAdded();
    const first = this.#runIndexOf(name);
    for (let index = first; index < this.#runs.length; index++) {
      const run = this.#runs[index] as Entry[];
      let at = index === first ? lowerBound(run, name) : 0;
      if (run[at]?.name === name) at++;
      for (; at < run.length; at++) if (!visit(run[at] as Entry)) return;
    }
  }

  #mergeAdded(): void {
    const added = [...this.#added];
    this.#added.clear();
    this.#size += added.length;
    if (added.length > this.#size * REBUILT_SHARE) this.#rebuild(added);
    else for (const entry of added) this.#insert(entry);
  }

  #insert(entry: Entry): void {
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
