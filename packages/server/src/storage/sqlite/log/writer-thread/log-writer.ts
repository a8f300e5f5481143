import { rmSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { ChannelQuery, EraseOrder, Overwritten, TrimOrder } from '../../../../core/ports.ts';
import type { ListedStep, ListProgress } from '../../../shared/channel-directory.ts';
import { CommittedMark } from '../../committed-mark.ts';
import { WAL_BYTES_MAX, WriterConnection } from './writer-connection.ts';
import { logFiles, type LogFiles } from '../log-files.ts';
import { Appends } from './appends.ts';
import { ChannelTable } from './channel-table.ts';
import { ErasedRemains } from './erased-remains.ts';
import { isKeyExpired, purgeKeys } from './idempotency-keys.ts';
import type { Committed, OpenedLog, Trimmed, WriterOptions } from '../messages.ts';
import {
  beginGeneration,
  reopenDatabase,
  newestStored,
  openDatabase,
  readState,
  wrapCorruptionErrors,
  detectMismatch,
} from '../open-database.ts';
import type { DatabaseRole, StateRow } from '../open-database.ts';
import type { ViewStore } from '../../../view/view-state.ts';
import { isFull, UnavailableError } from '../../failure.ts';
import type { DatabaseMismatch } from '../generation-file.ts';
import { isBuilding, returnToJournal } from '../view-build.ts';
import { WriterCounters } from './writer-counters.ts';

/** Consecutive failures of housekeeping after which the writer counts as failed. */
const HOUSEKEEPING_FAILURES_MAX = 8;

/** The only writer of a log. It runs in a thread of its own, where it may wait for the disk. */
export class LogWriter {
  readonly #files: LogFiles;
  readonly #options: WriterOptions;
  readonly #committedMark: CommittedMark;
  #connection: WriterConnection;
  #channelTable: ChannelTable;
  readonly #remains: ErasedRemains;
  readonly #appends: Appends;
  #state: StateRow;
  #mismatch: DatabaseMismatch | undefined;
  #unavailable: UnavailableError | undefined;
  #housekeepingFailures = 0;
  /** Whether the generation of this opening is on the disk. */
  #isGenerationBegun = false;
  /** A write has failed. Nothing is written before `#recover`. */
  #hasFailed = false;
  /** A transaction has failed, and the channel table has not been loaded again since. */
  #isChannelTableStale = false;
  /** More blocks wait for this view. */
  #isBehind = false;
  readonly #counters: WriterCounters = new WriterCounters();
  readonly #role: DatabaseRole;
  /** A failure may have damaged the database, so nothing is written after it. */
  #isBuilding: boolean;

  /**
   * @param role whether the database is a log of its own or the view of a journal
   * @throws DataFolderError
   */
  constructor(options: WriterOptions, role: DatabaseRole = 'log') {
    this.#options = options;
    this.#role = role;
    this.#files = logFiles(options.folder);
    this.#isBuilding = role === 'view' && isBuilding(this.#files);
    this.#remains = new ErasedRemains(this.#files.database);
    this.#committedMark = new CommittedMark(this.#files.committedMark);
    this.#connection = new WriterConnection(openDatabase(this.#files, role));
    // A view that was never created may have left its mark. It must not stand for this log later.
    if (role === 'log') rmSync(this.#files.building, { force: true });
    this.#state = wrapCorruptionErrors(this.#files, () => this.#beginIfWritable());
    this.#channelTable = wrapCorruptionErrors(this.#files, () => new ChannelTable(this.#connection, this.#state));
    const newest = wrapCorruptionErrors(this.#files, () => newestStored(this.#connection.database));
    this.#appends = new Appends(this.#connection, this.#channelTable, {
      reservedThrough: this.#state.reservedThrough,
      newestStored: newest,
      channelsMax: options.channelsMax,
    });
    this.#hasFailed = this.#unavailable !== undefined;
    this.#counters.measure(this.#files);
    this.#measureContents();
  }

  /** The state at opening, and whether the log can be written at the moment. */
  get opened(): OpenedLog {
    const { epoch, epochStart, reservedThrough: head } = this.#state;
    return {
      epoch,
      epochStart,
      head,
      unavailable: this.#unavailable?.code,
      mismatch: this.#mismatch,
      counters: this.#counters.buffer,
    };
  }

  /**
   * Appends all records that may be appended, in one transaction.
   * @throws UnavailableError when none was stored
   */
  append(batch: ArrayBuffer): Committed {
    const startMs = performance.now();
    if (this.#hasFailed) this.#recover();
    const appends = this.#appends;
    const storedBefore = appends.newestStored;
    const committed = this.#transaction(() => {
      const appended = appends.appendAll(new Uint8Array(batch));
      appends.reserveAhead();
      return appended;
    });
    if (appends.newestStored > storedBefore) this.#committedMark.update(appends.newestStored);
    this.#counters.add('records', appends.head + 1 - committed.firstPosition);
    this.#measureContents();
    this.#counters.countCommit(performance.now() - startMs);
    return committed;
  }

  /** Whether `runHousekeeping` has work. It runs after the commit has been answered. */
  get isHousekeepingDue(): boolean {
    return !this.#hasFailed && (this.#isIndexingDue || this.#connection.isCheckpointDue);
  }

  /** Indexes pending events, and moves the write-ahead log into the database. */
  runHousekeeping(): void {
    try {
      if (this.#isIndexingDue) this.#transaction(() => this.#indexPending());
      if (this.#connection.isCheckpointDue) this.#checkpoint();
      this.#housekeepingFailures = 0;
    } catch {
      // Publishing continues while the write-ahead log has room. The next attempt follows after the
      // same amount of writes.
      this.#counters.add('housekeepingFailures', 1);
      if (++this.#housekeepingFailures >= HOUSEKEEPING_FAILURES_MAX) this.#hasFailed = true;
    }
  }

  /** One step of retention: docs/decisions/0006-retention.md. @throws UnavailableError */
  trim(orders: readonly TrimOrder[], nowMs: number): Trimmed {
    if (this.#hasFailed) this.#recover();
    return this.#isTrimDue(orders, nowMs)
      ? this.#transaction(() => this.#trimStep(orders, nowMs))
      : { removed: 0, more: false };
  }

  /**
   * Several changes in one transaction, for the view of a journal. It stores the exact head.
   * @param isBehind more blocks wait already, so indexing may wait for their events
   * @throws UnavailableError when nothing was stored
   */
  change<Result>(run: (changes: ViewStore) => Result, isBehind = false): Result {
    const startMs = performance.now();
    this.#isBehind = isBehind;
    if (this.#hasFailed) this.#recover();
    const headBefore = this.#appends.head;
    const result = this.#transaction(() => {
      this.#connection.begin();
      const value = run(this.#changes());
      this.#appends.reserveExactly();
      return value;
    });
    this.#measureContents();
    if (this.#appends.head > headBefore) {
      this.#counters.add('records', this.#appends.head - headBefore);
      this.#counters.countCommit(performance.now() - startMs);
    }
    return result;
  }

  /** The view has caught up with its journal. @throws UnavailableError */
  endBuild(): void {
    if (this.#hasFailed) this.#recover();
    try {
      returnToJournal(this.#connection.database);
    } catch (error) {
      this.#hasFailed = true;
      throw new UnavailableError(error);
    }
    this.#isBuilding = false;
  }

  /** The database of the present connection. */
  get database(): DatabaseSync {
    return this.#connection.database;
  }

  /** One step of an erasure: docs/decisions/0052-erasure.md. @throws UnavailableError */
  erase(order: EraseOrder): number {
    if (this.#hasFailed) this.#recover();
    return this.#transaction(() => this.#eraseStep(order));
  }

  /**
   * One step that overwrites what `ErasedRemains` describes, also in the write-ahead log.
   * @throws UnavailableError
   */
  overwrite(): Overwritten {
    if (this.#hasFailed) this.#recover();
    // Of an earlier process.
    if (!this.#remains.isPending) this.#remains.begin(this.#connection);
    const hasMore = this.#transaction(() => this.#remains.overwritePages(this.#connection));
    try {
      if (this.#connection.isCheckpointDue) this.#checkpoint();
      if (hasMore) return 'more';
      if (!this.#connection.emptyWal()) return 'busy';
      return this.#remains.overwriteUnused(this.#connection) ? 'more' : 'done';
    } catch (error) {
      // The write-ahead log keeps what the database has no room for.
      if (isFull(error)) return 'no_room';
      throw error;
    }
  }

  /** One step of a list of channels. */
  channels(query: ChannelQuery, progress: ListProgress | undefined): ListedStep {
    if (this.#isChannelTableStale) this.#reloadChannelTable(readState(this.#connection.database) as StateRow);
    return this.#channelTable.list(query, progress);
  }

  /** Tests whether the disk can be written again. @throws UnavailableError */
  probe(): OpenedLog {
    this.#recover();
    return this.opened;
  }

  close(): void {
    try {
      if (!this.#hasFailed && !this.#isBuilding) {
        this.#transaction(() => {
          this.#indexPending();
          // Returns the unused reserved positions, so that they leave no hole.
          this.#appends.reserveExactly();
        });
      }
    } catch {
      // All acknowledged events are durable. The next opening does the work that failed here.
    } finally {
      this.#connection.close();
      this.#remains.close();
      this.#committedMark.close();
    }
  }

  /** A full or failing disk does not prevent reading, unless the log was restored. */
  #beginIfWritable(): StateRow {
    const { database } = this.#connection;
    try {
      return this.#beginGeneration();
    } catch (error) {
      const state = readState(database);
      if (state === undefined || detectMismatch(database, this.#files, state) !== undefined) throw error;
      this.#unavailable = new UnavailableError(error);
      return state;
    }
  }

  #beginGeneration(): StateRow {
    const { database } = this.#connection;
    const { mismatch, ...state } = beginGeneration(database, this.#files, { ...this.#options, renew: false });
    this.#committedMark.begin({ generation: state.generation, through: newestStored(database) });
    this.#isGenerationBegun = true;
    this.#mismatch = mismatch;
    return state;
  }

  #changes(): ViewStore {
    const appends = this.#appends;
    const channels = (): number => this.#channelTable.size;
    return {
      get head() {
        return appends.head;
      },
      get channels() {
        return channels();
      },
      append: (batch, channelsMax) => {
        appends.channelsMax = channelsMax;
        return appends.appendAll(batch);
      },
      trim: (orders, nowMs) =>
        this.#isTrimDue(orders, nowMs) ? this.#trimStep(orders, nowMs) : { removed: 0, more: false },
      erase: (order) => this.#eraseStep(order),
    };
  }

  get #isIndexingDue(): boolean {
    return this.#channelTable.isIndexingDue(this.#isBehind);
  }

  #eraseStep(order: EraseOrder): number {
    this.#remains.begin(this.#connection);
    this.#indexPending();
    const count = this.#channelTable.erase(order);
    this.#measureContents();
    return count;
  }

  #isTrimDue(orders: readonly TrimOrder[], nowMs: number): boolean {
    return isKeyExpired(this.#connection, nowMs) || this.#channelTable.isTrimDue(orders, nowMs);
  }

  #trimStep(orders: readonly TrimOrder[], nowMs: number): Trimmed {
    this.#indexPending();
    const { removed, more } = this.#channelTable.trim(orders, nowMs);
    this.#measureContents();
    const hasMoreKeys = purgeKeys(this.#connection, nowMs);
    return { removed, more: more || hasMoreKeys };
  }

  #indexPending(): void {
    this.#channelTable.indexPending(this.#appends.head);
    this.#counters.add('settles', 1);
  }

  #checkpoint(): void {
    this.#connection.checkpoint();
    this.#counters.add('checkpoints', 1);
    this.#counters.measure(this.#files);
    if (this.#counters.get('walBytes') > WAL_BYTES_MAX) this.#connection.checkpointAndRestartWal();
  }

  /**
   * Runs, and commits if anything was written. After a failure the disk is unchanged, and the
   * channel table is stale.
   */
  #transaction<Result>(run: () => Result): Result {
    const before = this.#appends.mark();
    try {
      const result = run();
      this.#connection.commit();
      return result;
    } catch (error) {
      this.#appends.returnTo(before);
      this.#hasFailed = true;
      this.#isChannelTableStale = true;
      this.#connection.rollBack();
      throw new UnavailableError(error);
    }
  }

  /**
   * Opens a new connection and reads everything again. A connection is not trusted after an I/O
   * error.
   */
  #recover(): void {
    if (this.#isBuilding) throw new UnavailableError(new Error('the build of the view has failed'));
    this.#hasFailed = true;
    this.#isChannelTableStale = true;
    try {
      this.#connection.close();
      this.#connection = new WriterConnection(reopenDatabase(this.#files, this.#role));
      this.#remains.prepare(this.#connection);
      const state = this.#isGenerationBegun
        ? (readState(this.#connection.database) as StateRow)
        : this.#beginGeneration();
      // Writes a page, so this succeeds only if the disk accepts writes.
      this.#connection.statements.reserve.run(state.reservedThrough);
      this.#checkpoint();
      this.#reloadChannelTable(state);
      this.#state = state;
      // A commit that failed may be on the disk all the same: its positions are taken.
      const newest = newestStored(this.#connection.database);
      this.#appends.take(this.#role === 'view' ? state.reservedThrough : newest, newest);
      this.#hasFailed = false;
      this.#unavailable = undefined;
      this.#housekeepingFailures = 0;
    } catch (error) {
      throw new UnavailableError(error);
    }
  }

  #reloadChannelTable(state: StateRow): void {
    this.#channelTable = new ChannelTable(this.#connection, state, this.#channelTable.lastChannelId);
    this.#appends.reopen(this.#connection, this.#channelTable, state.reservedThrough);
    this.#isChannelTableStale = false;
    this.#measureContents();
  }

  #measureContents(): void {
    this.#counters.set('channels', this.#channelTable.size);
    this.#counters.set('events', this.#channelTable.eventCount);
  }
}
