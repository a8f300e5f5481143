import type { ChannelQuery, EraseOrder, NewRecord, Position, TrimOrder } from '../../../../core/ports.ts';
import { createChannelEntry, exceeds } from '../../../shared/channel-directory.ts';
import type { ChannelDirectory, ChannelEntry, ListedStep, ListProgress } from '../../../shared/channel-directory.ts';
import { EmptyChannels } from '../../../shared/empty-channels.ts';
import type { ChannelPrefixes } from '../../../shared/channel-prefixes.ts';
import { prefixOf } from '../../../shared/channel-prefixes.ts';
import { FORGOTTEN_CHANNELS_MAX, TRIM_EVENTS_MAX } from '../../../shared/log-limits.ts';
import { channelChecksumOf, checksumOf } from '../checksum.ts';
import type { WriterConnection } from './writer-connection.ts';
import { deleteEvent, oldestEvents } from './oldest-events.ts';
import { loadChannels, loadPrefixes, applyAppend } from '../open-database.ts';
import type { StateRow } from '../open-database.ts';

/**
 * Events are indexed once PENDING_EVENTS wait, and PENDING_EVENTS_PER_CHANNEL for each channel
 * among them. Each channel costs a page, however few its events. Events that are not indexed are
 * read again at opening, and the reader holds them in memory. So PENDING_EVENTS_MAX waiting events
 * are enough in any case.
 */
const PENDING_EVENTS = 8_192;
const PENDING_EVENTS_PER_CHANNEL = 4;
const PENDING_EVENTS_MAX = 65_536;
/**
 * A view that is behind its journal waits for this many. Its events come so fast that it would
 * otherwise write the pages of all channels again and again.
 */
const PENDING_EVENTS_BEHIND = 262_144;

/**
 * Rows of `forgotten_channel` that remain for the reader to follow. A reader that is further behind
 * reads all channels again.
 */
const FORGOTTEN_ROWS_MAX = 16_384;

/**
 * The writer's channels in memory, and their rows in the database. Every write happens within a
 * transaction of the connection. After a failed transaction this table is ahead of the disk, and
 * has to be loaded again.
 *
 * A dirty channel has a row that is older than its entry here. A forgotten channel has been empty
 * for an hour: only the loss of its prefix remains (`ChannelPrefixes`).
 */
export class ChannelTable {
  readonly #connection: WriterConnection;
  readonly #directory: ChannelDirectory;
  /** Channels with a row that is older than the entry in memory. */
  readonly #dirty: Set<ChannelEntry>;
  readonly #emptyChannels = new EmptyChannels();
  readonly #prefixes: ChannelPrefixes;
  #lastChannelId: number;
  #pendingEvents: number;
  /** Stored events less `#pendingEvents`. So an append counts each event once. */
  #otherEvents: number;
  #indexedThrough: Position;
  #forgotten: number;
  #trims: number;

  /**
   * @param lastChannelId ids up to this one have been assigned in this process, perhaps to channels
   * that are forgotten
   */
  constructor(
    connection: WriterConnection,
    { indexedThrough, forgottenThrough, forgotten, trims }: StateRow,
    lastChannelId = 0,
  ) {
    const { directory, lastId, dirty, pending } = loadChannels(connection.database, indexedThrough);
    this.#connection = connection;
    this.#directory = directory;
    this.#dirty = dirty;
    this.#lastChannelId = Math.max(lastId, lastChannelId);
    this.#pendingEvents = pending;
    this.#indexedThrough = indexedThrough;
    this.#prefixes = loadPrefixes(connection.database, forgottenThrough);
    this.#forgotten = forgotten;
    this.#trims = trims;
    this.#otherEvents = -pending;
    for (const entry of directory.values()) {
      this.#otherEvents += entry.count;
      if (entry.count === 0) this.#emptyChannels.add(entry);
    }
  }

  /** The number of stored events, of all channels. */
  get eventCount(): number {
    return this.#otherEvents + this.#pendingEvents;
  }

  get size(): number {
    return this.#directory.size;
  }

  get lastChannelId(): number {
    return this.#lastChannelId;
  }

  /**
   * Whether it is time for `indexPending`.
   * @param isBehind more events of a journal wait already
   */
  isIndexingDue(isBehind: boolean): boolean {
    if (isBehind) return this.#pendingEvents >= PENDING_EVENTS_BEHIND;
    return (
      this.#pendingEvents >= PENDING_EVENTS &&
      this.#pendingEvents >= Math.min(PENDING_EVENTS_MAX, this.#dirty.size * PENDING_EVENTS_PER_CHANNEL)
    );
  }

  get(name: string): ChannelEntry | undefined {
    return this.#directory.get(name);
  }

  list(query: ChannelQuery, progress: ListProgress | undefined): ListedStep {
    return this.#directory.list(query, progress);
  }

  addChannel(name: string): ChannelEntry {
    // The channel may have been forgotten. Then only the loss of its prefix is known, and counts as
    // its own.
    const lostThrough = this.#prefixes.lostThrough(name);
    const erasedThrough = this.#prefixes.erasedThrough(name);
    const entry = createChannelEntry(name, ++this.#lastChannelId, lostThrough, erasedThrough);
    this.#connection.begin();
    this.#connection.statements.insertChannel.run(
      entry.id,
      name,
      lostThrough,
      lostThrough > 0 ? this.#trims : 0,
      channelChecksumOf(entry.id, name),
      erasedThrough,
    );
    this.#directory.add(entry);
    return entry;
  }

  /** @param isOnlyWrite the transaction has no other write */
  store(entry: ChannelEntry, position: Position, record: NewRecord, isOnlyWrite: boolean): void {
    const { type, timeMs, body, retain, trace } = record;
    const replaces = retain === 'latest' && entry.count > 0;
    this.#connection.begin(isOnlyWrite && !replaces);
    if (entry.count === 0) this.#emptyChannels.delete(entry);
    if (replaces) this.#replace(entry, position);
    const checksum = checksumOf(position, entry.id, type, timeMs, body, trace);
    this.#connection.inserts.add(position, entry.id, type, timeMs, body, checksum, trace);
    this.#connection.countBytes(body.byteLength);
    // After an earlier event that is not indexed, it is dirty already.
    if (entry.appendedPosition <= this.#indexedThrough) this.#dirty.add(entry);
    applyAppend(entry, position, timeMs, body.byteLength);
    this.#pendingEvents++;
  }

  /**
   * Indexes all events, and updates the rows of their channels.
   * @param through a position at or after the newest event
   */
  indexPending(through: Position): void {
    if (this.#dirty.size === 0) return;
    this.#connection.begin();
    this.#connection.inserts.finish();
    this.#connection.statements.indexEvents.run(this.#indexedThrough);
    for (const entry of this.#dirty) this.#save(entry);
    this.#connection.statements.setIndexed.run(through);
    this.#connection.countPages(this.#dirty.size + this.#pendingEvents / 256);
    this.#indexedThrough = through;
    this.#dirty.clear();
    this.#otherEvents += this.#pendingEvents;
    this.#pendingEvents = 0;
  }

  /** Whether `trim` has work. */
  isTrimDue(orders: readonly TrimOrder[], nowMs: number): boolean {
    return this.#emptyChannels.isDue(nowMs) || orders.some((order) => exceeds(this.get(order.channel), order));
  }

  /**
   * One step of retention, after `indexPending`. Returns the number of removed events, and whether
   * another step is needed.
   */
  trim(orders: readonly TrimOrder[], nowMs: number): { removed: number; more: boolean } {
    this.#connection.begin();
    this.#trims++;
    let left = TRIM_EVENTS_MAX;
    let more = false;
    for (const order of orders) {
      const entry = this.get(order.channel);
      if (!exceeds(entry, order)) continue;
      left -= this.#trimChannel(entry, order, left);
      more ||= exceeds(entry, order);
      if (left === 0 && more) break;
    }
    this.#forgetChannels(nowMs);
    this.#connection.statements.setTrimmed.run(this.#trims, this.#forgotten, this.#prefixes.othersLostThrough);
    return {
      removed: TRIM_EVENTS_MAX - left,
      more: (more && left < TRIM_EVENTS_MAX) || this.#emptyChannels.isDue(nowMs),
    };
  }

  /**
   * One step of an erasure, after `indexPending`. The caller sees to it that deleted rows are
   * overwritten. Returns the number of erased events.
   */
  erase({ positions, channels }: EraseOrder): number {
    this.#connection.begin();
    this.#trims++;
    const changed = new Set<ChannelEntry>();
    let erased = 0;
    for (const position of positions) {
      const entry = this.#eraseEvent(position);
      if (entry === undefined) continue;
      changed.add(entry);
      erased++;
    }
    for (const entry of changed) this.#saveErased(entry);
    const empty = channels.map((name) => this.get(name)).filter((entry) => entry?.count === 0);
    for (const entry of empty) if (entry !== undefined) this.#emptyChannels.delete(entry);
    this.#forget(empty.filter((entry) => entry !== undefined));
    this.#connection.statements.setTrimmed.run(this.#trims, this.#forgotten, this.#prefixes.othersLostThrough);
    return erased;
  }

  /** Returns the channel of the event; undefined if there is no such event. */
  #eraseEvent(position: Position): ChannelEntry | undefined {
    const { statements } = this.#connection;
    const row = statements.channelOfEvent.get(position) as unknown as [name: string, bytes: number] | undefined;
    const entry = row && this.get(row[0]);
    if (row === undefined || entry === undefined) return undefined;
    statements.deleteEvent.run(position);
    statements.unindexEvent.run(entry.id, position);
    this.#connection.countPages(2);
    entry.count--;
    this.#otherEvents--;
    entry.bytes -= row[1];
    entry.trimmedThrough = Math.max(entry.trimmedThrough, position);
    entry.erasedThrough = Math.max(entry.erasedThrough, position);
    return entry;
  }

  /** Finds the oldest and the newest event that are left. */
  #saveErased(entry: ChannelEntry): void {
    const { statements } = this.#connection;
    if (entry.count === 0) {
      entry.bytes = entry.oldestTimeMs = entry.latestPosition = 0;
      this.#emptyChannels.add(entry);
    } else {
      const [newest] = statements.newestOfChannel.get(entry.id) as unknown as [Position];
      entry.latestPosition = newest;
      const [oldest] = oldestEvents(statements, entry.id, 1);
      entry.oldestTimeMs = oldest?.[1] ?? entry.oldestTimeMs;
    }
    this.#save(entry);
  }

  /**
   * Removes the value of a `latest` channel. The channel has several events only after its rule has
   * changed. Then they are removed in steps of TRIM_EVENTS_MAX.
   */
  #replace(entry: ChannelEntry, next: Position): void {
    if (entry.count > 1) {
      this.indexPending(next - 1);
      this.#removeOldest(entry, () => true, TRIM_EVENTS_MAX);
      this.#save(entry);
      return;
    }
    const { latestPosition, id } = entry;
    this.#connection.inserts.finish();
    this.#connection.statements.deleteEvent.run(latestPosition);
    if (latestPosition <= this.#indexedThrough) {
      this.#connection.statements.unindexEvent.run(id, latestPosition);
      this.#connection.statements.emptyChannel.run(id);
    }
    entry.count = entry.bytes = 0;
    this.#otherEvents--;
  }

  #trimChannel(entry: ChannelEntry, order: TrimOrder, limit: number): number {
    const { removed, through } = this.#removeOldest(entry, () => exceeds(entry, order), limit);
    if (removed === 0) return 0;
    entry.trimmedThrough = Math.max(entry.trimmedThrough, through);
    this.#save(entry);
    if (entry.count === 0) this.#emptyChannels.add(entry);
    return removed;
  }

  /** Removes the channel's oldest events. All events of the channel have to be indexed. */
  #removeOldest(
    entry: ChannelEntry,
    shouldRemove: () => boolean,
    limit: number,
  ): { removed: number; through: Position } {
    let removed = 0;
    let through: Position = 0;
    for (const [position, timeMs, bytes] of oldestEvents(this.#connection.statements, entry.id, limit + 1)) {
      // A damaged event has no readable time or size. It is removed together with its neighbours.
      entry.oldestTimeMs = timeMs ?? entry.oldestTimeMs;
      if (removed === limit || !shouldRemove()) break;
      deleteEvent(this.#connection.statements, position);
      entry.count--;
      entry.bytes = Math.max(0, entry.bytes - (bytes ?? 0));
      through = position;
      removed++;
    }
    if (removed > 0) this.#connection.statements.unindexThrough.run(entry.id, through);
    if (entry.count === 0) entry.bytes = entry.oldestTimeMs = entry.latestPosition = 0;
    this.#otherEvents -= removed;
    this.#connection.countPages(removed);
    return { removed, through };
  }

  #save(entry: ChannelEntry): void {
    this.#connection.statements.updateChannel.run(
      entry.count,
      entry.bytes,
      entry.oldestTimeMs,
      entry.latestPosition,
      entry.appendedPosition,
      entry.appendedTimeMs,
      entry.trimmedThrough,
      entry.erasedThrough,
      this.#trims,
      entry.trimmedThrough,
      entry.erasedThrough,
      entry.id,
    );
  }

  /**
   * Forgets channels that have been empty for an hour, at most FORGOTTEN_CHANNELS_MAX in one step.
   */
  #forgetChannels(nowMs: number): void {
    this.#forget(this.#emptyChannels.takeDue(nowMs, FORGOTTEN_CHANNELS_MAX));
  }

  #forget(forgotten: readonly ChannelEntry[]): void {
    if (forgotten.length === 0) return;
    const { statements } = this.#connection;
    const prefixes = new Set<string>();
    const { othersLostThrough } = this.#prefixes;
    for (const entry of forgotten) {
      const prefix = prefixOf(entry.name);
      this.#prefixes.raise(prefix, entry.trimmedThrough, entry.erasedThrough);
      prefixes.add(prefix);
      this.#directory.remove(entry);
      statements.deleteChannel.run(entry.id);
      statements.insertForgotten.run(++this.#forgotten, entry.id);
    }
    statements.dropForgotten.run(this.#forgotten - FORGOTTEN_ROWS_MAX);
    for (const prefix of prefixes)
      statements.savePrefix.run(
        prefix,
        this.#prefixes.lostThrough(prefix),
        this.#trims,
        this.#prefixes.erasedThrough(prefix),
      );
    if (this.#prefixes.othersLostThrough > othersLostThrough)
      statements.deletePrefixesThrough.run(this.#prefixes.othersLostThrough);
    this.#connection.countPages(forgotten.length / 8);
  }
}
