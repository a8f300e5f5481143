import type { DatabaseSync } from 'node:sqlite';
import type { AppendOutcome, ChannelQuery, ChannelState, NewRecord, Position, TrimOrder } from '../../core/ports.ts';
import { createChannelEntry } from '../channel-book.ts';
import type { ChannelBook, ChannelEntry } from '../channel-book.ts';
import { CHANNEL_FORGOTTEN_AFTER_MS, KEY_LIFETIME_MS, TRIM_EVENTS_MAX } from '../limits.ts';
import { decodeBatch } from './batch-codec.ts';
import { filesOf, fileBytes, lockFolder } from './folder.ts';
import type { FolderFiles, FolderLock } from './folder.ts';
import type { Committed, Opened, Trimmed, WriterFigures, WriterOptions } from './messages.ts';
import { beginGeneration, connect, loadChannels, noteAppended, openDatabase, readState, refusingDamage } from './opening.ts';
import type { StateRow } from './opening.ts';
import { prepareWriter } from './statements.ts';
import type { WriterStatements } from './statements.ts';
import { UnavailableError } from './unavailable.ts';
import { isSame } from './witness.ts';

/** Positions promised ahead, so that those of events that are not stored are never given again after a crash. */
const RESERVATION = 65_536;

/**
 * Events are indexed so many at a time, or so many for each channel among them: each channel costs a page, however few
 * its events. What is not indexed is read again at opening and held in memory by the reader, hence the upper bound.
 */
const PENDING_EVENTS = 8_192;
const PENDING_EVENTS_PER_CHANNEL = 8;
const PENDING_EVENTS_MAX = 65_536;
/** Pages that the write-ahead log is let grow by, by estimate, before they are moved to the database: 16 MB. */
const WAL_PAGES = 4_096;
const PAGES_PER_COMMIT = 3;
const PAGE_BYTES = 4_096;

/** So many times in a row housekeeping may fail before the log is taken for unavailable. */
const HOUSEKEEPING_FAILURES_MAX = 8;

/** The one writer of a log: runs in a thread of its own, where it may wait for the disk. */
export class Writer {
  readonly opened: Opened;
  readonly #files: FolderFiles;
  readonly #lock: FolderLock;
  readonly #options: WriterOptions;
  #database: DatabaseSync;
  #do: WriterStatements;
  #state: StateRow;
  #book!: ChannelBook;
  #lastChannelId = 0;
  /** Channels whose row is behind what is known here. */
  #dirty = new Set<ChannelEntry>();
  #empty = new Set<ChannelEntry>();
  /** No empty channel is to be forgotten before this. */
  #forgetFromMs = Infinity;
  #next: Position;
  #pendingEvents = 0;
  /** About how many pages were written since the last checkpoint. */
  #walPages = 0;
  #housekeepingFailures = 0;
  /** Whether this opening has been written down. */
  #begun = false;
  #inTransaction = false;
  /** After a failure: the disk's state is right, what is known here may not be. */
  #stale = false;
  readonly #figures = { commits: 0, commitMsSum: 0, records: 0, checkpoints: 0, settles: 0, housekeepingFailures: 0, databaseBytes: 0, walBytes: 0 };

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#files = filesOf(options.folder);
    this.#lock = lockFolder(this.#files);
    try {
      this.#database = openDatabase(this.#files);
      this.#do = prepareWriter(this.#database);
      const { state, unavailable } = refusingDamage(this.#files, () => this.#beginIfWritable());
      this.#state = state;
      this.#next = state.reservedThrough + 1;
      refusingDamage(this.#files, () => this.#load());
      const { epoch, epochStart } = state;
      this.opened = { epoch, epochStart, head: this.#next - 1, unavailable: unavailable?.code };
      this.#stale = unavailable !== undefined;
    } catch (error) {
      this.#lock.release();
      throw error;
    }
  }

  /** Appends all that may be appended, in one transaction. @throws UnavailableError when nothing was */
  append(batch: ArrayBuffer): Committed {
    if (this.#stale) this.#recover();
    const startMs = performance.now();
    const first = this.#next;
    const others: [number, AppendOutcome][] = [];
    this.#attempt(() => {
      let index = 0;
      for (const record of decodeBatch(batch)) {
        const other = this.#appendOne(record);
        if (other !== undefined) others.push([index, other]);
        index++;
      }
      this.#reserve();
    });
    this.#figures.records += this.#next - first;
    this.#figures.commits++;
    this.#figures.commitMsSum += performance.now() - startMs;
    return { first, others, figures: this.figures() };
  }

  /** Whether it is time for `keepHouse`: once the commit has been answered. */
  get isHousekeepingDue(): boolean {
    return this.#isSettlingDue || this.#walPages >= WAL_PAGES;
  }

  get #isSettlingDue(): boolean {
    return this.#pendingEvents >= PENDING_EVENTS && this.#pendingEvents >= Math.min(PENDING_EVENTS_MAX, this.#dirty.size * PENDING_EVENTS_PER_CHANNEL);
  }

  /** Indexes what is not indexed, and moves the write-ahead log into the database. */
  keepHouse(): void {
    if (this.#stale) return;
    try {
      if (this.#isSettlingDue) this.#attempt(() => this.#settle());
      if (this.#walPages >= WAL_PAGES) this.#checkpoint();
      this.#housekeepingFailures = 0;
    } catch (error) {
      // Publishing goes on while the write-ahead log has room; it is tried again after as much again.
      this.#figures.housekeepingFailures++;
      if (++this.#housekeepingFailures >= HOUSEKEEPING_FAILURES_MAX) this.#stale = true;
      if (!(error instanceof UnavailableError)) throw error;
    }
  }

  /** One step of retention: docs/decisions/0006-retention.md. @throws UnavailableError */
  trim(orders: readonly TrimOrder[], nowMs: number): Trimmed {
    if (this.#stale) this.#recover();
    const due = orders.filter((order) => exceeds(this.#book.get(order.channel), order));
    const keysBefore = nowMs - KEY_LIFETIME_MS;
    const hasOldKeys = (this.#do.oldestKey.get() as { timeMs: number | null }).timeMs ?? Infinity;
    if (due.length === 0 && hasOldKeys > keysBefore && nowMs < this.#forgetFromMs) return { removed: 0, more: false };
    let removed = 0;
    let more = false;
    this.#attempt(() => {
      this.#begin();
      this.#settle();
      const purged = Number(this.#do.purgeKeys.run(keysBefore, TRIM_EVENTS_MAX).changes);
      removed = this.#trimChannels(due);
      more = purged === TRIM_EVENTS_MAX || (removed > 0 && due.some((order) => exceeds(this.#book.get(order.channel), order)));
      this.#forget(this.#forgettable(nowMs));
    });
    return { removed, more };
  }

  channels(query: ChannelQuery): readonly ChannelState[] {
    if (this.#stale) this.#recover();
    return this.#book.list(query);
  }

  /** Tries whether the disk can be written again. @throws UnavailableError */
  probe(): void {
    this.#stale = true;
    this.#recover();
  }

  figures(): WriterFigures {
    return { ...this.#figures, channels: this.#book.size };
  }

  close(): void {
    try {
      if (!this.#stale) {
        this.#attempt(() => {
          this.#settle();
          // No hole is left for positions that were reserved and never given.
          this.#begin();
          this.#do.reserve.run(this.#next - 1);
        });
      }
      this.#database.close();
    } finally {
      this.#lock.release();
    }
  }

  /** A disk that is full or failing does not keep a log that was not restored from being read. */
  #beginIfWritable(): { state: StateRow; unavailable?: UnavailableError } {
    try {
      return { state: this.#beginGeneration() };
    } catch (error) {
      const state = readState(this.#database);
      if (state === undefined || !isSame(this.#files, state)) throw error;
      return { state, unavailable: new UnavailableError(error) };
    }
  }

  #beginGeneration(): StateRow {
    const state = beginGeneration(this.#database, this.#files, { ...this.#options, renew: false });
    this.#begun = true;
    return state;
  }

  /** What is not `appended` is returned; those that are have the next position each. */
  #appendOne(record: NewRecord): AppendOutcome | undefined {
    const { idempotencyKey: key, fingerprint, channel, timeMs, retain, ifLatest } = record;
    const used = key === undefined ? undefined : this.#usedKey(key, timeMs);
    if (used !== undefined) return used.fingerprint === (fingerprint ?? null) ? { kind: 'duplicate', position: used.position, channel: used.channel, timeMs: used.timeMs } : { kind: 'key_reused' };
    const known = this.#book.get(channel);
    const latest = known?.latestPosition ?? 0;
    if (ifLatest !== undefined && ifLatest !== latest) return { kind: 'conflict', latest };
    if (retain !== 'none') {
      const entry = known ?? this.#addChannel(channel);
      if (entry === undefined) return { kind: 'channel_limit' };
      this.#store(entry, record);
    }
    if (key !== undefined) {
      this.#begin();
      this.#do.insertKey.run(key, fingerprint ?? null, this.#next, channel, timeMs);
    }
    this.#next++;
    return undefined;
  }

  #usedKey(key: string, nowMs: number): UsedKey | undefined {
    const used = this.#do.findKey.get(key) as UsedKey | undefined;
    return used !== undefined && used.timeMs + KEY_LIFETIME_MS > nowMs ? used : undefined;
  }

  #addChannel(name: string): ChannelEntry | undefined {
    if (this.#book.size >= this.#options.channelsMax) return undefined;
    // It may be one of those that were forgotten: then what they lost is all that is known of what it lost.
    const { forgottenThrough, trims } = this.#state;
    const entry = createChannelEntry(name, ++this.#lastChannelId, forgottenThrough);
    this.#begin();
    this.#do.insertChannel.run(entry.id, name, forgottenThrough, forgottenThrough > 0 ? trims : 0);
    this.#book.add(entry);
    return entry;
  }

  #store(entry: ChannelEntry, { type, timeMs, body, retain }: NewRecord): void {
    this.#begin();
    if (retain === 'latest' && entry.count > 0) this.#replace(entry);
    this.#do.insertEvent.run(this.#next, entry.id, type ?? null, timeMs, body);
    noteAppended(entry, this.#next, timeMs, body.byteLength);
    this.#dirty.add(entry);
    this.#empty.delete(entry);
    this.#pendingEvents++;
    this.#walPages += (body.byteLength * 1.25) / PAGE_BYTES;
  }

  /** Removes what a `latest` channel holds. It is more than one only after its rule has changed; then it goes in steps. */
  #replace(entry: ChannelEntry): void {
    if (entry.count > 1) {
      this.#settle();
      this.#removeOldest(entry, () => true, TRIM_EVENTS_MAX);
      this.#saveChannel(entry);
      return;
    }
    const { latestPosition, id } = entry;
    this.#do.deleteEvent.run(latestPosition);
    if (latestPosition <= this.#state.indexedThrough) {
      this.#do.unindexEvent.run(id, latestPosition);
      this.#do.emptyChannel.run(id);
    }
    entry.count = entry.bytes = 0;
  }

  #reserve(): void {
    if (this.#next - 1 <= this.#state.reservedThrough) return;
    this.#begin();
    const reservedThrough = this.#next - 1 + RESERVATION;
    this.#do.reserve.run(reservedThrough);
    this.#state = { ...this.#state, reservedThrough };
  }

  #settle(): void {
    const indexedThrough = this.#next - 1;
    if (this.#dirty.size === 0) return;
    this.#begin();
    this.#do.indexEvents.run(this.#state.indexedThrough);
    for (const entry of this.#dirty) this.#saveChannel(entry);
    this.#do.setIndexed.run(indexedThrough);
    this.#state = { ...this.#state, indexedThrough };
    this.#walPages += this.#dirty.size + this.#pendingEvents / 256;
    this.#dirty.clear();
    this.#pendingEvents = 0;
    this.#figures.settles++;
  }

  #saveChannel({ id, count, bytes, oldestTimeMs, latestPosition, appendedPosition, appendedTimeMs, trimmedThrough }: ChannelEntry): void {
    this.#do.updateChannel.run(count, bytes, oldestTimeMs, latestPosition, appendedPosition, appendedTimeMs, trimmedThrough, this.#state.trims, trimmedThrough, id);
  }

  /** Everything is indexed. Says how many events it removed. */
  #trimChannels(due: readonly TrimOrder[]): number {
    this.#state = { ...this.#state, trims: this.#state.trims + 1 };
    let left = TRIM_EVENTS_MAX;
    for (const order of due) {
      const entry = this.#book.get(order.channel);
      if (entry === undefined || left === 0) continue;
      const { removed, through } = this.#removeOldest(entry, () => exceeds(entry, order), left);
      if (removed === 0) continue;
      left -= removed;
      entry.trimmedThrough = through;
      this.#saveChannel(entry);
      if (entry.count === 0) this.#noteEmpty(entry);
    }
    return TRIM_EVENTS_MAX - left;
  }

  #removeOldest(entry: ChannelEntry, goes: () => boolean, limit: number): { removed: number; through: Position } {
    let removed = 0;
    let through: Position = 0;
    const rows = this.#do.oldestEvents.all(entry.id, limit + 1) as unknown as [position: number, timeMs: number, bytes: number][];
    for (const [position, timeMs, bytes] of rows) {
      entry.oldestTimeMs = timeMs;
      if (removed === limit || !goes()) break;
      this.#do.deleteEvent.run(position);
      this.#walPages++;
      entry.count--;
      entry.bytes -= bytes;
      through = position;
      removed++;
    }
    if (removed > 0) this.#do.unindexThrough.run(entry.id, through);
    if (entry.count === 0) entry.oldestTimeMs = entry.latestPosition = 0;
    return { removed, through };
  }

  #noteEmpty(entry: ChannelEntry): void {
    this.#empty.add(entry);
    this.#forgetFromMs = Math.min(this.#forgetFromMs, entry.appendedTimeMs + CHANNEL_FORGOTTEN_AFTER_MS);
  }

  /** Channels that have been empty for long, some at a time. */
  #forgettable(nowMs: number): Set<ChannelEntry> {
    const found = new Set<ChannelEntry>();
    if (nowMs < this.#forgetFromMs) return found;
    this.#forgetFromMs = Infinity;
    for (const entry of this.#empty) {
      const fromMs = entry.appendedTimeMs + CHANNEL_FORGOTTEN_AFTER_MS;
      if (fromMs <= nowMs && found.size < TRIM_EVENTS_MAX) found.add(entry);
      else this.#forgetFromMs = Math.min(this.#forgetFromMs, fromMs);
    }
    return found;
  }

  #forget(entries: ReadonlySet<ChannelEntry>): void {
    let { forgottenThrough } = this.#state;
    for (const entry of entries) {
      this.#do.deleteChannel.run(entry.id);
      this.#empty.delete(entry);
      this.#dirty.delete(entry);
      forgottenThrough = Math.max(forgottenThrough, entry.trimmedThrough);
    }
    if (entries.size > 0) this.#book.remove(entries);
    this.#do.setTrimmed.run(this.#state.trims, forgottenThrough);
    this.#state = { ...this.#state, forgottenThrough };
  }

  #begin(): void {
    if (this.#inTransaction) return;
    this.#do.begin.run();
    this.#inTransaction = true;
  }

  /** Runs and commits, if anything was written. Whatever fails leaves the disk as it was, and what is known here stale. */
  #attempt(run: () => void): void {
    const next = this.#next;
    try {
      run();
      if (this.#inTransaction) {
        this.#do.commit.run();
        this.#walPages += PAGES_PER_COMMIT;
      }
      this.#inTransaction = false;
    } catch (error) {
      this.#next = next;
      this.#stale = true;
      this.#inTransaction = false;
      this.#rollBack();
      throw new UnavailableError(error);
    }
  }

  #rollBack(): void {
    try {
      if (this.#database.isTransaction) this.#do.rollback.run();
    } catch {
      // The connection is replaced before it is used again, and takes its transaction with it.
    }
  }

  /** The result of a checkpoint that others hold up is not an error: the next one gets further. */
  #checkpoint(): void {
    this.#walPages = 0;
    try {
      this.#do.checkpoint.get();
      this.#figures.checkpoints++;
      this.#measureFiles();
    } catch (error) {
      throw new UnavailableError(error);
    }
  }

  #measureFiles(): void {
    this.#figures.databaseBytes = fileBytes(this.#files.database);
    this.#figures.walBytes = fileBytes(this.#files.database + '-wal');
  }

  /** A new connection, since one that has seen an I/O error may not be trusted, and everything read afresh. */
  #recover(): void {
    try {
      if (this.#database.isOpen) this.#database.close();
      this.#database = connect(this.#files);
      this.#do = prepareWriter(this.#database);
      this.#state = this.#begun ? (readState(this.#database) as StateRow) : this.#beginGeneration();
      // Writes a page, so it succeeds only if the disk does.
      this.#do.reserve.run(Math.max(this.#state.reservedThrough, this.#next - 1));
      this.#do.checkpoint.get();
      this.#load();
      this.#stale = false;
      this.#housekeepingFailures = 0;
    } catch (error) {
      throw new UnavailableError(error);
    }
  }

  #load(): void {
    const { book, lastId, dirty, pending } = loadChannels(this.#database, this.#state.indexedThrough);
    this.#book = book;
    this.#lastChannelId = Math.max(this.#lastChannelId, lastId);
    this.#dirty = dirty;
    this.#empty.clear();
    for (const entry of book.values()) if (entry.count === 0) this.#noteEmpty(entry);
    this.#pendingEvents = pending;
    this.#walPages = 0;
    this.#measureFiles();
  }
}

interface UsedKey {
  readonly fingerprint: string | null;
  readonly position: Position;
  readonly channel: string;
  readonly timeMs: number;
}

function exceeds(entry: ChannelEntry | undefined, { countMax = Infinity, bytesMax = Infinity, olderThanMs = 0 }: TrimOrder): boolean {
  return entry !== undefined && entry.count > 0 && (entry.count > countMax || entry.bytes > bytesMax || entry.oldestTimeMs < olderThanMs);
}
