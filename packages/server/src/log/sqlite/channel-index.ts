import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { hasWildcard, matches } from '@polycast/protocol';
import type { Position } from '../../core/ports.ts';

/** Patterns whose channels are remembered, and how many channels in all: those used least recently are dropped. */
const PATTERNS_MAX = 256;
const PATTERN_CHANNELS_MAX = 2_000_000;

interface Matched {
  readonly ids: number[];
  /** Channels up to this index have been looked at. */
  upTo: number;
}

/**
 * What a reader keeps in memory: the channels' names, what they have lost, and where the newest events of each are,
 * which are not indexed on disk yet. It brings itself up to date from its own snapshot at the start of each read, so it
 * is never ahead of what can be read, nor behind.
 */
export class ChannelIndex {
  indexedThrough: Position = 0;
  forgottenThrough: Position = 0;
  readonly #state: StatementSync;
  readonly #newChannels: StatementSync;
  readonly #newTrims: StatementSync;
  readonly #newEvents: StatementSync;
  #ids: number[] = [];
  #names = new Map<number, string>();
  #byName = new Map<string, number>();
  #lastId = 0;
  #trimmed = new Map<number, Position>();
  #trimmedMost: Position = 0;
  #trims = 0;
  #tail = new Map<number, Position[]>();
  #seenThrough: Position = 0;
  #matched = new Map<string, Matched>();
  #matchedChannels = 0;

  constructor(database: DatabaseSync) {
    const many = (sql: string): StatementSync => {
      const statement = database.prepare(sql);
      statement.setReturnArrays(true);
      return statement;
    };
    this.#state = many('SELECT indexed_through, forgotten_through, trims FROM state');
    this.#newChannels = many('SELECT id, name, trimmed_through FROM channel WHERE id > ? ORDER BY id');
    this.#newTrims = many('SELECT id, trimmed_through FROM channel WHERE trimmed_in > ? AND trimmed_in > 0');
    this.#newEvents = many('SELECT position, channel FROM event WHERE position > ? ORDER BY position');
  }

  /** Within a transaction: takes in all that was committed since the last time. */
  catchUp(): void {
    const [indexedThrough, forgottenThrough, trims] = this.#state.get() as unknown as [number, number, number];
    if (forgottenThrough !== this.forgottenThrough) this.#startAfresh();
    this.forgottenThrough = forgottenThrough;
    this.#takeChannels();
    if (trims !== this.#trims) this.#takeTrims(trims);
    if (indexedThrough !== this.indexedThrough) this.#dropIndexed(indexedThrough);
    this.#takeEvents();
  }

  nameOf(id: number): string {
    return this.#names.get(id) as string;
  }

  /** The positions of a channel's events that are not indexed, in order; some may have been removed since. */
  tailOf(id: number): readonly Position[] {
    return this.#tail.get(id) ?? [];
  }

  /** The ids of the channels that a pattern covers; the list is not to be changed. */
  matching(pattern: string): readonly number[] {
    if (hasWildcard(pattern)) return this.#matchingWildcard(pattern);
    const id = this.#byName.get(pattern);
    return id === undefined ? [] : [id];
  }

  /** The newest position that any of these channels has lost; at most `after` counts as none. */
  trimmedThrough(lists: readonly (readonly number[])[], after: Position): Position {
    let through = after;
    if (this.#trimmedMost <= after) return through;
    for (const ids of lists) for (const id of ids) through = Math.max(through, this.#trimmed.get(id) ?? 0);
    return through;
  }

  #matchingWildcard(pattern: string): readonly number[] {
    const known = this.#matched.get(pattern);
    const matched = known ?? { ids: [], upTo: 0 };
    const before = matched.ids.length;
    for (; matched.upTo < this.#ids.length; matched.upTo++) {
      const id = this.#ids[matched.upTo] as number;
      if (matches(pattern, this.#names.get(id) as string)) matched.ids.push(id);
    }
    this.#matchedChannels += matched.ids.length - before;
    this.#matched.delete(pattern);
    this.#matched.set(pattern, matched);
    this.#dropLeastRecent();
    return matched.ids;
  }

  #dropLeastRecent(): void {
    for (const [pattern, { ids }] of this.#matched) {
      const tooMany = this.#matched.size > PATTERNS_MAX || this.#matchedChannels > PATTERN_CHANNELS_MAX;
      if (!tooMany || this.#matched.size === 1) return;
      this.#matched.delete(pattern);
      this.#matchedChannels -= ids.length;
    }
  }

  /** Channels have been forgotten: rather than look for each, read the table again. Happens seldom. */
  #startAfresh(): void {
    this.#ids = [];
    this.#names.clear();
    this.#byName.clear();
    this.#lastId = 0;
    this.#trimmed.clear();
    this.#matched.clear();
    this.#matchedChannels = 0;
  }

  #takeChannels(): void {
    for (const row of this.#newChannels.iterate(this.#lastId) as Iterable<unknown>) {
      const [id, name, trimmedThrough] = row as [number, string, number];
      this.#ids.push(id);
      this.#names.set(id, name);
      this.#byName.set(name, id);
      this.#lastId = id;
      if (trimmedThrough > 0) this.#setTrimmed(id, trimmedThrough);
    }
  }

  #takeTrims(trims: number): void {
    for (const row of this.#newTrims.iterate(this.#trims) as Iterable<unknown>) {
      const [id, trimmedThrough] = row as [number, number];
      this.#setTrimmed(id, trimmedThrough);
    }
    this.#trims = trims;
  }

  #setTrimmed(id: number, through: Position): void {
    this.#trimmed.set(id, through);
    this.#trimmedMost = Math.max(this.#trimmedMost, through);
  }

  #dropIndexed(indexedThrough: Position): void {
    this.indexedThrough = indexedThrough;
    if (this.#seenThrough <= indexedThrough) {
      this.#tail.clear();
      this.#seenThrough = indexedThrough;
      return;
    }
    for (const [id, positions] of this.#tail) {
      const kept = positions.filter((position) => position > indexedThrough);
      if (kept.length === 0) this.#tail.delete(id);
      else this.#tail.set(id, kept);
    }
  }

  #takeEvents(): void {
    for (const row of this.#newEvents.iterate(this.#seenThrough) as Iterable<unknown>) {
      const [position, id] = row as [number, number];
      const positions = this.#tail.get(id);
      if (positions === undefined) this.#tail.set(id, [position]);
      else positions.push(position);
      this.#seenThrough = position;
    }
  }
}
