import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { hasWildcard } from '@polycast/protocol';
import type { Position } from '../../../../core/ports.ts';
import { ChannelPrefixes } from '../../../shared/channel-prefixes.ts';
import { PatternCache } from './pattern-cache.ts';
import type { IndexedChannel } from './pattern-cache.ts';

/** The channels that a query means, and what of them is gone. */
export interface MatchingChannels {
  /** Ids, of which some may stand in more than one set; none is empty, and none is to be changed. */
  readonly idSets: readonly ReadonlySet<number>[];
  /** The newest position after the query's that any of them has lost; else the query's. */
  readonly trimmedThrough: Position;
}

/**
 * What a reader keeps in memory: the channels' names, what they have lost, and where the newest events of each are,
 * which are not indexed on disk yet. It brings itself up to date from its own snapshot at the start of each read, so it
 * is never ahead of what can be read, nor behind.
 */
export class ChannelIndex {
  indexedThrough: Position = 0;
  readonly #statements: Statements;
  readonly #byId = new Map<number, IndexedChannel>();
  readonly #byName = new Map<string, IndexedChannel>();
  readonly #patterns = new PatternCache();
  #lastId = 0;
  #trims = 0;
  /** How many channels had ever been forgotten. */
  #forgotten = 0;
  #prefixes = new ChannelPrefixes();
  readonly #tail = new Map<number, Position[]>();
  #readThrough: Position = 0;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  /** Within a transaction: takes in all that was committed since the last time. */
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

  /** The positions of a channel's events that are not indexed, in order; some may have been removed since. */
  tailOf(id: number): readonly Position[] {
    return this.#tail.get(id) ?? [];
  }

  /** What is meant by these patterns. */
  matching(patterns: readonly string[], after: Position): MatchingChannels {
    const namedIds = new Set<number>();
    const idSets: ReadonlySet<number>[] = [];
    let trimmedThrough = after;
    for (const pattern of patterns) {
      if (hasWildcard(pattern)) {
        const match = this.#patterns.match(pattern);
        if (match.ids.size > 0) idSets.push(match.ids);
        trimmedThrough = Math.max(trimmedThrough, match.trimmedThrough, this.#prefixes.lostThrough(pattern));
        continue;
      }
      const channel = this.#byName.get(pattern);
      if (channel !== undefined) namedIds.add(channel.id);
      trimmedThrough = Math.max(trimmedThrough, channel?.trimmedThrough ?? this.#prefixes.lostThrough(pattern));
    }
    if (namedIds.size > 0) idSets.push(namedIds);
    return { idSets, trimmedThrough };
  }

  /** Follows what was forgotten since the last time, or reads everything again if that is more than is kept. */
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
      const [id, name, trimmedThrough] = row as [number, string, number];
      const channel = { id, name, trimmedThrough };
      this.#byId.set(id, channel);
      this.#byName.set(name, channel);
      this.#patterns.add(channel);
      this.#lastId = id;
    }
  }

  #readTrims(trims: number, forgottenThrough: Position): void {
    for (const row of this.#statements.trims.iterate(this.#trims) as Iterable<unknown>) {
      const [id, trimmedThrough] = row as [number, number];
      const channel = this.#byId.get(id) as IndexedChannel;
      channel.trimmedThrough = trimmedThrough;
      this.#patterns.onTrimmed(channel);
    }
    for (const row of this.#statements.prefixes.iterate(this.#trims) as Iterable<unknown>)
      this.#prefixes.raise(...(row as [string, number]));
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
    channels: prepareRows('SELECT id, name, trimmed_through FROM channel WHERE id > ? ORDER BY id'),
    trims: prepareRows('SELECT id, trimmed_through FROM channel WHERE trimmed_in > ? AND trimmed_in > 0'),
    prefixes: prepareRows('SELECT name, forgotten_through FROM family WHERE changed_in > ?'),
    forgotten: prepareRows('SELECT channel FROM forgotten_channel WHERE sequence > ? ORDER BY sequence'),
    events: prepareRows('SELECT position, channel FROM event WHERE position > ? ORDER BY position'),
  };
}
