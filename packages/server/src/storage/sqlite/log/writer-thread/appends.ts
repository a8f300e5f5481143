import { matchesLatest } from '../../../../core/events/latest.ts';
import type { AppendOutcome, NewRecord, Position } from '../../../../core/ports.ts';
import { appendBatch, type RecordBatch } from '../../../shared/batch-codec.ts';
import type { Committed } from '../messages.ts';
import type { ChannelTable } from './channel-table.ts';
import { addKey, findKey } from './idempotency-keys.ts';
import type { WriterConnection } from './writer-connection.ts';

/**
 * Positions that are reserved ahead on the disk. Ephemeral events use positions and are not stored.
 * After a crash their positions are not assigned again.
 */
const RESERVED_POSITIONS = 65_536;

/** What a failed transaction returns to. */
interface Mark {
  readonly next: Position;
  readonly newestStored: Position;
}

/** Decides about each record of a batch, and gives those that are appended their positions. */
export class Appends {
  #connection: WriterConnection;
  #channelTable: ChannelTable;
  #next: Position;
  #newestStored: Position;
  #reservedThrough: Position;
  channelsMax: number;

  /**
   * @param reservedThrough no position up to this one is assigned again
   * @param newestStored the position of the newest stored event
   */
  constructor(
    connection: WriterConnection,
    channelTable: ChannelTable,
    at: { readonly reservedThrough: Position; readonly newestStored: Position; readonly channelsMax: number },
  ) {
    this.#connection = connection;
    this.#channelTable = channelTable;
    this.#next = at.reservedThrough + 1;
    this.#newestStored = at.newestStored;
    this.#reservedThrough = at.reservedThrough;
    this.channelsMax = at.channelsMax;
  }

  /** The newest position that was assigned. */
  get head(): Position {
    return this.#next - 1;
  }

  get newestStored(): Position {
    return this.#newestStored;
  }

  /** Appends all records that may be appended, within a transaction. */
  appendAll(batch: RecordBatch): Committed {
    const firstPosition = this.#next;
    return { firstPosition, notAppended: appendBatch(batch, (record, isOnly) => this.#appendOne(record, isOnly)) };
  }

  /** Reserves positions ahead, if the reserved ones are used up. */
  reserveAhead(): void {
    if (this.head <= this.#reservedThrough) return;
    this.#reserve(this.head + RESERVED_POSITIONS);
  }

  /** Reserves the positions that were assigned, and no other. */
  reserveExactly(): void {
    this.#reserve(this.head);
  }

  mark(): Mark {
    return { next: this.#next, newestStored: this.#newestStored };
  }

  /** The transaction has failed. */
  returnTo({ next, newestStored }: Mark): void {
    this.#next = next;
    this.#newestStored = newestStored;
  }

  /** The connection is another one, or has read its channels again. */
  reopen(connection: WriterConnection, channelTable: ChannelTable, reservedThrough: Position): void {
    this.#connection = connection;
    this.#channelTable = channelTable;
    this.#reservedThrough = reservedThrough;
  }

  /** A commit that failed is on the disk all the same: its positions are taken. */
  take(head: Position, newestStored: Position): void {
    this.#next = Math.max(this.#next, head + 1);
    this.#newestStored = Math.max(this.#newestStored, newestStored);
  }

  #reserve(through: Position): void {
    this.#connection.begin();
    this.#reservedThrough = through;
    this.#connection.statements.reserve.run(through);
  }

  /**
   * Returns the outcome of a record that is not appended. An appended record gets the next
   * position.
   */
  #appendOne(record: NewRecord, isOnlyRecord: boolean): AppendOutcome | undefined {
    const { idempotencyKey: key, fingerprint, channel, timeMs, retain, ifLatest } = record;
    const used = key === undefined ? undefined : findKey(this.#connection, key, timeMs);
    if (used !== undefined && used.fingerprint !== (fingerprint ?? null)) return { kind: 'key_reused' };
    if (used !== undefined) return { kind: 'duplicate', position: used.position, channel, timeMs: used.timeMs };
    const known = this.#channelTable.get(channel);
    const latest = known?.latestPosition ?? 0;
    if (ifLatest !== undefined && !matchesLatest(ifLatest, latest)) return { kind: 'conflict', latest };
    if (retain !== 'none') {
      if (known === undefined && this.#channelTable.size >= this.channelsMax) return { kind: 'channel_limit' };
      const isOnlyWrite = isOnlyRecord && key === undefined && this.#next <= this.#reservedThrough;
      const entry = known ?? this.#channelTable.addChannel(channel);
      this.#channelTable.store(entry, this.#next, record, isOnlyWrite);
      this.#newestStored = this.#next;
    }
    if (key !== undefined) addKey(this.#connection, key, fingerprint, this.#next, timeMs);
    this.#next++;
    return undefined;
  }
}
