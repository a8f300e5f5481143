/** Entries in one run, at most: taking one in or out moves no more than these. */
const RUN_MAX = 512;
/** More new ones than this share of what is there are sorted all together. */
const REBUILT_SHARE = 1 / 8;

interface Named {
  readonly name: string;
}

/** Entries in the order of their names, as a list of runs, so that a change costs no more for there being many. */
export class SortedNames<Entry extends Named> {
  /** None is empty. */
  #runs: Entry[][] = [];
  /** How many are in the runs. */
  #size = 0;
  /** Not yet in the runs: put there when somebody asks for the order, so that adding costs no search. */
  readonly #added = new Set<Entry>();

  /** One whose name is not in here. */
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

  /** Visits those whose names come after a name, for as long as `visit` says so; it may put none in and take none out. */
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

  /** The run that a name is in, or would be: the first whose last name is not before it. */
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
