import type { ChannelQuery, ChannelState, Position } from '../core/ports.ts';

/** What a home knows of one channel. Removal is always from the oldest on, so a channel's events have no holes. */
export interface ChannelEntry {
  readonly name: string;
  /** Rises with each new channel and is never given twice. */
  readonly id: number;
  count: number;
  bytes: number;
  /** 0 when there is no event. */
  oldestTimeMs: number;
  /** Of the newest event kept; 0 when there is none. */
  latestPosition: Position;
  /** Of the newest event ever kept, and its time: they stay when the event goes. */
  appendedPosition: Position;
  appendedTimeMs: number;
  /** The newest position that retention took from this channel; 0 when it took none. */
  trimmedThrough: Position;
}

/** All channels of a log, by name and in the order of their names. */
export class ChannelBook {
  readonly #byName = new Map<string, ChannelEntry>();
  #sorted: ChannelEntry[] = [];
  /** Not yet in `#sorted`: merged when somebody asks for the order, so that adding costs no search. */
  #added: ChannelEntry[] = [];

  get size(): number {
    return this.#byName.size;
  }

  get(name: string): ChannelEntry | undefined {
    return this.#byName.get(name);
  }

  add(entry: ChannelEntry): void {
    this.#byName.set(entry.name, entry);
    this.#added.push(entry);
  }

  values(): IterableIterator<ChannelEntry> {
    return this.#byName.values();
  }

  /** Removes these channels. O(channels): for housekeeping, many at a time. */
  remove(entries: ReadonlySet<ChannelEntry>): void {
    for (const entry of entries) this.#byName.delete(entry.name);
    this.#sorted = this.#sorted.filter((entry) => !entries.has(entry));
    this.#added = this.#added.filter((entry) => !entries.has(entry));
  }

  list(query: ChannelQuery): ChannelState[] {
    const sorted = this.#inOrder();
    const since = query.changedSince ?? -1;
    const found: ChannelState[] = [];
    for (let index = firstAfter(sorted, query.after); index < sorted.length && found.length < query.limit; index++) {
      const entry = sorted[index] as ChannelEntry;
      if (entry.appendedPosition > since) found.push(stateOf(entry));
    }
    return found;
  }

  #inOrder(): readonly ChannelEntry[] {
    if (this.#added.length === 0) return this.#sorted;
    // Two sorted runs: the engine's merge sort takes them in one pass.
    this.#added.sort(byName);
    this.#sorted = this.#sorted.concat(this.#added).sort(byName);
    this.#added = [];
    return this.#sorted;
  }
}

export function createChannelEntry(name: string, id: number, trimmedThrough: Position): ChannelEntry {
  return {
    name,
    id,
    count: 0,
    bytes: 0,
    oldestTimeMs: 0,
    latestPosition: 0,
    appendedPosition: 0,
    appendedTimeMs: 0,
    trimmedThrough,
  };
}

function stateOf({ name, count, bytes, oldestTimeMs, latestPosition }: ChannelEntry): ChannelState {
  return { channel: name, count, bytes, oldestTimeMs, latestPosition };
}

function byName(left: ChannelEntry, right: ChannelEntry): number {
  return left.name < right.name ? -1 : left.name > right.name ? 1 : 0;
}

function firstAfter(sorted: readonly ChannelEntry[], name: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as ChannelEntry).name > name) high = middle;
    else low = middle + 1;
  }
  return low;
}
