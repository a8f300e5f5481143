import { matchesLatest } from '../../../../core/events/latest.ts';
import type {
  AppendOutcome,
  ChannelQuery,
  ChannelState,
  NewRecord,
  Position,
  TrimOrder,
} from '../../../../core/ports.ts';
import { KEY_LIFETIME_MS, TRIM_EVENTS_MAX } from '../../../shared/log-limits.ts';
import { decodeBatch } from '../batch-codec.ts';
import { CommittedMark } from '../../committed-mark.ts';
import { WriterConnection } from './writer-connection.ts';
import { fileBytes } from '../../database-file.ts';
import { logFiles, type LogFiles } from '../log-files.ts';
import { ChannelTable } from './channel-table.ts';
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
import type { StateRow } from '../open-database.ts';
import { UnavailableError } from '../../failure.ts';
import type { DatabaseMismatch } from '../generation-file.ts';
import { WriterCounters } from './writer-counters.ts';

/**
 * Positions that are reserved ahead on the disk. Ephemeral events use positions and are not stored.
 * After a crash their positions are not assigned again.
 */
const RESERVED_POSITIONS = 65_536;

/**
 * Estimated pages that the write-ahead log grows by before it is moved into the database: 16 MB.
 */
const CHECKPOINT_PAGES = 4_096;

/**
 * Bytes of the write-ahead log beyond which the writer waits for readers. Constant reading prevents
 * SQLite from restarting the file at its beginning.
 */
const WAL_BYTES_MAX = 128 * 1024 * 1024;

/** Consecutive failures of housekeeping after which the writer counts as failed. */
const HOUSEKEEPING_FAILURES_MAX = 8;

/** The only writer of a log. It runs in a thread of its own, where it may wait for the disk. */
export class LogWriter {
  readonly #files: LogFiles;
  readonly #options: WriterOptions;
  readonly #committedMark: CommittedMark;
  #connection: WriterConnection;
  #channelTable: ChannelTable;
  #next: Position;
  /** The position of the newest stored event. */
  #newestStored: Position = 0;
  #reservedThrough: Position;
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
  readonly #counters: WriterCounters = new WriterCounters();

  /** @throws DataFolderError */
  constructor(options: WriterOptions) {
    this.#options = options;
    this.#files = logFiles(options.folder);
    this.#committedMark = new CommittedMark(this.#files.committedMark);
    this.#connection = new WriterConnection(openDatabase(this.#files));
    this.#state = wrapCorruptionErrors(this.#files, () => this.#beginIfWritable());
    this.#channelTable = wrapCorruptionErrors(this.#files, () => new ChannelTable(this.#connection, this.#state));
    this.#reservedThrough = this.#state.reservedThrough;
    this.#next = this.#state.reservedThrough + 1;
    this.#hasFailed = this.#unavailable !== undefined;
    this.#measureFiles();
    this.#countChannels();
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
    const notAppended: [number, AppendOutcome][] = [];
    if (this.#hasFailed) this.#recover();
    const firstPosition = this.#next;
    const storedBefore = this.#newestStored;
    this.#transaction(() => {
      let index = 0;
      for (const record of decodeBatch(batch)) {
        const outcome = this.#appendOne(record);
        if (outcome !== undefined) notAppended.push([index, outcome]);
        index++;
      }
      this.#reserve();
    });
    if (this.#newestStored > storedBefore) this.#committedMark.update(this.#newestStored);
    this.#counters.add('records', this.#next - firstPosition);
    this.#countChannels();
    this.#countCommit(performance.now() - startMs);
    return { firstPosition, notAppended };
  }

  /** Whether `runHousekeeping` has work. It runs after the commit has been answered. */
  get isHousekeepingDue(): boolean {
    return !this.#hasFailed && (this.#channelTable.isIndexingDue || this.#connection.pagesWritten >= CHECKPOINT_PAGES);
  }

  /** Indexes pending events, and moves the write-ahead log into the database. */
  runHousekeeping(): void {
    try {
      if (this.#channelTable.isIndexingDue) this.#transaction(() => this.#indexPending());
      if (this.#connection.pagesWritten >= CHECKPOINT_PAGES) this.#checkpoint();
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
    const keysBefore = nowMs - KEY_LIFETIME_MS;
    const oldestKeyMs = (this.#connection.statements.oldestKey.get() as { timeMs: number | null }).timeMs ?? Infinity;
    if (oldestKeyMs > keysBefore && !this.#channelTable.isTrimDue(orders, nowMs)) return { removed: 0, more: false };
    return this.#transaction(() => {
      this.#indexPending();
      const { removed, more } = this.#channelTable.trim(orders, nowMs);
      this.#countChannels();
      const purged = Number(this.#connection.statements.purgeKeys.run(keysBefore, TRIM_EVENTS_MAX).changes);
      return { removed, more: more || purged === TRIM_EVENTS_MAX };
    });
  }

  channels(query: ChannelQuery): readonly ChannelState[] {
    if (this.#isChannelTableStale) this.#reloadChannelTable(readState(this.#connection.database) as StateRow);
    return this.#channelTable.list(query);
  }

  /** Tests whether the disk can be written again. @throws UnavailableError */
  probe(): OpenedLog {
    this.#recover();
    return this.opened;
  }

  close(): void {
    try {
      if (!this.#hasFailed) {
        this.#transaction(() => {
          this.#indexPending();
          // Returns the unused reserved positions, so that they leave no hole.
          this.#connection.begin();
          this.#connection.statements.reserve.run(this.#next - 1);
        });
      }
    } catch {
      // All acknowledged events are durable. The next opening does the work that failed here.
    } finally {
      this.#connection.close();
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
    this.#newestStored = newestStored(database);
    this.#committedMark.begin({ generation: state.generation, through: this.#newestStored });
    this.#isGenerationBegun = true;
    this.#mismatch = mismatch;
    return state;
  }

  /**
   * Returns the outcome of a record that is not appended. An appended record gets the next
   * position.
   */
  #appendOne(record: NewRecord): AppendOutcome | undefined {
    const { idempotencyKey: key, fingerprint, channel, timeMs, retain, ifLatest } = record;
    const used = key === undefined ? undefined : this.#usedKey(key, timeMs);
    if (used !== undefined && used.fingerprint !== (fingerprint ?? null)) return { kind: 'key_reused' };
    if (used !== undefined)
      return { kind: 'duplicate', position: used.position, channel: used.channel, timeMs: used.timeMs };
    const known = this.#channelTable.get(channel);
    const latest = known?.latestPosition ?? 0;
    if (ifLatest !== undefined && !matchesLatest(ifLatest, latest)) return { kind: 'conflict', latest };
    if (retain !== 'none') {
      if (known === undefined && this.#channelTable.size >= this.#options.channelsMax) return { kind: 'channel_limit' };
      this.#channelTable.store(known ?? this.#channelTable.addChannel(channel), this.#next, record);
      this.#newestStored = this.#next;
    }
    if (key !== undefined) {
      this.#connection.begin();
      this.#connection.statements.insertKey.run(key, fingerprint ?? null, this.#next, channel, timeMs);
      this.#connection.countPages(1);
    }
    this.#next++;
    return undefined;
  }

  #usedKey(key: string, nowMs: number): UsedKey | undefined {
    const used = this.#connection.statements.findKey.get(key) as UsedKey | undefined;
    return used !== undefined && used.timeMs + KEY_LIFETIME_MS > nowMs ? used : undefined;
  }

  #reserve(): void {
    if (this.#next - 1 <= this.#reservedThrough) return;
    this.#connection.begin();
    this.#reservedThrough = this.#next - 1 + RESERVED_POSITIONS;
    this.#connection.statements.reserve.run(this.#reservedThrough);
  }

  #indexPending(): void {
    this.#channelTable.indexPending(this.#next - 1);
    this.#counters.add('settles', 1);
  }

  #checkpoint(): void {
    this.#connection.checkpoint();
    this.#counters.add('checkpoints', 1);
    this.#measureFiles();
    if (this.#counters.get('walBytes') > WAL_BYTES_MAX) this.#connection.checkpointAndRestartWal();
  }

  /**
   * Runs, and commits if anything was written. After a failure the disk is unchanged, and the
   * channel table is stale.
   */
  #transaction<Result>(run: () => Result): Result {
    const next = this.#next;
    const newestBefore = this.#newestStored;
    try {
      const result = run();
      this.#connection.commit();
      return result;
    } catch (error) {
      this.#next = next;
      this.#newestStored = newestBefore;
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
    this.#hasFailed = true;
    this.#isChannelTableStale = true;
    try {
      this.#connection.close();
      this.#connection = new WriterConnection(reopenDatabase(this.#files));
      const state = this.#isGenerationBegun
        ? (readState(this.#connection.database) as StateRow)
        : this.#beginGeneration();
      // Writes a page, so this succeeds only if the disk accepts writes.
      this.#connection.statements.reserve.run(state.reservedThrough);
      this.#checkpoint();
      this.#reloadChannelTable(state);
      this.#state = state;
      this.#hasFailed = false;
      this.#unavailable = undefined;
      this.#housekeepingFailures = 0;
    } catch (error) {
      throw new UnavailableError(error);
    }
  }

  #reloadChannelTable(state: StateRow): void {
    this.#channelTable = new ChannelTable(this.#connection, state, this.#channelTable.lastChannelId);
    this.#reservedThrough = state.reservedThrough;
    this.#isChannelTableStale = false;
    this.#countChannels();
  }

  #countCommit(durationMs: number): void {
    this.#counters.add('commits', 1);
    this.#counters.add('commitMsSum', durationMs);
    if (durationMs > 5) this.#counters.add('commitsOver5Ms', 1);
    if (durationMs > 50) this.#counters.add('commitsOver50Ms', 1);
  }

  #countChannels(): void {
    this.#counters.set('channels', this.#channelTable.size);
  }

  #measureFiles(): void {
    this.#counters.set('databaseBytes', fileBytes(this.#files.database));
    this.#counters.set('walBytes', fileBytes(this.#files.database + '-wal'));
  }
}

interface UsedKey {
  readonly fingerprint: string | null;
  readonly position: Position;
  readonly channel: string;
  readonly timeMs: number;
}
