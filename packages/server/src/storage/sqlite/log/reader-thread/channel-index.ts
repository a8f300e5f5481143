import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { hasWildcard } from '@polycast/protocol';
import type { Position } from '../../../../core/ports.ts';
import { ChannelPrefixes, type PrefixLoss } from '../../../shared/channel-prefixes.ts';
import { PatternCache } from './pattern-cache.ts';
import type { IndexedChannel } from './pattern-cache.ts';

/** The channels that a query matches, and the events that they have lost. */
export interface MatchingChannels {
  /**
   * Sets of channel ids. No set is empty, and an id may be in several. They must not be changed.
   */
  readonly idSets: readonly ReadonlySet<number>[];
  /**
   * The newest position that any of these channels has lost, if it is after the query's `after`.
   * Otherwise `after`.
   */
  readonly trimmedThrough: Position;
  /** The newest position that an erasure removed from them; `after` if there is none after it. */
  readonly erasedThrough: Position;
}

/**
 * The reader's data in memory: the names of channels, their losses, and the positions of events
 * that are not indexed on the disk yet. Each read first updates it from the read's own snapshot. So
 * it is never ahead of the readable events, nor behind them.
 */
export class ChannelIndex {
  indexedThrough: Position = 0;
  readonly #statements: Statements;
  readonly #byId = new Map<number, IndexedChannel>();
  readonly #byName = new Map<string, IndexedChannel>();
  readonly #patterns = new PatternCache();
  #lastId = 0;
  #trims = 0;
  /** The number of channels ever forgotten, as of the last `catchUp`. */
  #forgotten = 0;
  #prefixes = new ChannelPrefixes();
  readonly #tail = new Map<number, Position[]>();
  #readThrough: Position = 0;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  /** Takes in everything committed since the last call. Must run within a transaction. */
  catchUp(): void {
    const state = this.#statements.state.get() as unknown as [number, number, number, number];
    const [indexedThrough, forgottenThrough, forgotten, trims] = state;
    if (forgotten !== this.#forgotten) this.#forgetChannels(forgotten);
    this.#readChannels();
    if (trims !== this.#trims) this.#readTrims(trims, forgottenThrough);
    if (indexedThrough !== this.indexedThrough) this.#dropIndexed(indexedThrough);
    this.#readEvents();
  }

  nameOf(id: number): string | undefined {
    return this.#byId.get(id)?.name;
  }

  /**
   * Positions of the channel's events that are not indexed, in order. Some may have been removed
   * since.
   */
  tailOf(id: number): readonly Position[] {
    return this.#tail.get(id) ?? [];
  }

  /** The channels that match any of these patterns. */
  matching(patterns: readonly string[], after: Position): MatchingChannels {
    const namedIds = new Set<number>();
    const idSets: ReadonlySet<number>[] = [];
    let [trimmedThrough, erasedThrough] = [after, after];
    const prefixes = this.#prefixes;
    for (const pattern of patterns) {
      if (hasWildcard(pattern)) {
        const match = this.#patterns.match(pattern);
        if (match.ids.size > 0) idSets.push(match.ids);
        trimmedThrough = Math.max(trimmedThrough, match.trimmedThrough, prefixes.lostThrough(pattern));
        erasedThrough = Math.max(erasedThrough, match.erasedThrough, prefixes.erasedThrough(pattern));
        continue;
      }
      const channel = this.#byName.get(pattern);
      if (channel !== undefined) namedIds.add(channel.id);
      trimmedThrough = Math.max(trimmedThrough, channel?.trimmedThrough ?? prefixes.lostThrough(pattern));
      erasedThrough = Math.max(erasedThrough, channel?.erasedThrough ?? prefixes.erasedThrough(pattern));
    }
    if (namedIds.size > 0) idSets.push(namedIds);
    return { idSets, trimmedThrough, erasedThrough };
  }

  /**
   * Removes the channels that were forgotten since the last call. If the table no longer has all of
   * them, all channels are read again.
   */
  #forgetChannels(forgotten: number): void {
    const rows = this.#statements.forgotten.all(this.#forgotten) as unknown as [number][];
    const isComplete = rows.length === forgotten - this.#forgotten;
    this.#forgotten = forgotten;
    if (!isComplete) return this.#reset();
    for (const [id] of rows) this.#forget(id);
  }

  #forget(id: number): void {
    const channel = this.#byId.get(id);
    if (channel === undefined) return;
    this.#byId.delete(id);
    this.#byName.delete(channel.name);
    this.#patterns.forget(channel);
  }

  #reset(): void {
    this.#byId.clear();
    this.#byName.clear();
    this.#patterns.clear();
    this.#lastId = 0;
  }

  #readChannels(): void {
    for (const row of this.#statements.channels.iterate(this.#lastId) as Iterable<unknown>) {
      const [id, name, trimmedThrough, erasedThrough] = row as [number, string, number, number];
      const channel = { id, name, trimmedThrough, erasedThrough };
      this.#byId.set(id, channel);
      this.#byName.set(name, channel);
      this.#patterns.add(channel);
      this.#lastId = id;
    }
  }

  #readTrims(trims: number, forgottenThrough: Position): void {
    for (const row of this.#statements.trims.iterate(this.#trims) as Iterable<unknown>) {
      const [id, trimmedThrough, erasedThrough] = row as [number, number, number];
      const channel = this.#byId.get(id) as IndexedChannel;
      channel.trimmedThrough = trimmedThrough;
      channel.erasedThrough = erasedThrough;
      this.#patterns.onTrimmed(channel);
    }
    for (const row of this.#statements.prefixes.iterate(this.#trims) as Iterable<unknown>)
      this.#prefixes.raise(...(row as PrefixLoss));
    this.#prefixes.mergeThrough(forgottenThrough);
    this.#trims = trims;
  }

  #dropIndexed(indexedThrough: Position): void {
    this.indexedThrough = indexedThrough;
    if (this.#readThrough <= indexedThrough) {
      this.#tail.clear();
      this.#readThrough = indexedThrough;
      return;
    }
    for (const [id, positions] of this.#tail) {
      const kept = positions.filter((position) => position > indexedThrough);
      if (kept.length === 0) this.#tail.delete(id);
      else this.#tail.set(id, kept);
    }
  }

  #readEvents(): void {
    for (const row of this.#statements.events.iterate(this.#readThrough) as Iterable<unknown>) {
      const [position, id] = row as [number, number];
      const positions = this.#tail.get(id);
      if (positions === undefined) this.#tail.set(id, [position]);
      else positions.push(position);
      this.#readThrough = position;
    }
  }
}

interface Statements {
  readonly state: StatementSync;
  readonly channels: StatementSync;
  readonly trims: StatementSync;
  readonly prefixes: StatementSync;
  readonly forgotten: StatementSync;
  readonly events: StatementSync;
}

function prepare(database: DatabaseSync): Statements {
  const prepareRows = (sql: string): StatementSync => {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  };
  return {
    state: prepareRows('SELECT indexed_through, forgotten_through, forgotten, trims FROM state'),
    channels: prepareRows('SELECT id, name, trimmed_through, erased_through FROM channel WHERE id > ? ORDER BY id'),
    trims: prepareRows(
      'SELECT id, trimmed_through, erased_through FROM channel WHERE trimmed_in > ? AND trimmed_in > 0',
    ),
    prefixes: prepareRows('SELECT name, forgotten_through, erased_through FROM family WHERE changed_in > ?'),
    forgotten: prepareRows('SELECT channel FROM forgotten_channel WHERE sequence > ? ORDER BY sequence'),
    events: prepareRows('SELECT position, channel FROM event WHERE position > ? ORDER BY position'),
  };
}
