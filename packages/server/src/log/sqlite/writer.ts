import { isLatest } from '../../core/latest.ts';
import type { AppendOutcome, ChannelQuery, ChannelState, NewRecord, Position, TrimOrder } from '../../core/ports.ts';
import { KEY_LIFETIME_MS, TRIM_EVENTS_MAX } from '../limits.ts';
import { decodeBatch } from './batch-codec.ts';
import { CommittedMark } from '../../sqlite/committed-mark.ts';
import { Connection } from './connection.ts';
import { filesOf, fileBytes, lockFolder } from './folder.ts';
import type { FolderFiles, FolderLock } from './folder.ts';
import { Ledger } from './ledger.ts';
import type { Committed, Opened, Trimmed, WriterOptions } from './messages.ts';
import {
  beginGeneration,
  connect,
  newestStored,
  openDatabase,
  readState,
  refusingDamage,
  whyOther,
} from './opening.ts';
import type { StateRow } from './opening.ts';
import { UnavailableError } from '../../sqlite/failure.ts';
import type { Difference } from './witness.ts';
import { WriterFigures } from './writer-figures.ts';

/** Positions promised ahead, so that those of events that are not stored are never given again after a crash. */
const RESERVATION = 65_536;

/** Pages that the write-ahead log is let grow by, by estimate, before they are moved to the database: 16 MB. */
const WAL_PAGES = 4_096;

/** Reading that never pauses keeps it from being begun again: beyond this the writer waits for the readers. */
const WAL_BYTES_MAX = 128 * 1024 * 1024;

/** So many times in a row housekeeping may fail before the log is taken for unavailable. */
const HOUSEKEEPING_FAILURES_MAX = 8;

/** The one writer of a log: runs in a thread of its own, where it may wait for the disk. */
export class Writer {
  readonly #files: FolderFiles;
  readonly #lock: FolderLock;
  readonly #options: WriterOptions;
  readonly #mark: CommittedMark;
  #connection: Connection;
  #ledger: Ledger;
  #next: Position;
  /** The newest event that was stored. */
  #stored: Position = 0;
  #reservedThrough: Position;
  #state: StateRow;
  #difference: Difference | undefined;
  #unavailable: UnavailableError | undefined;
  #housekeepingFailures = 0;
  /** Whether this opening has been written down. */
  #begun = false;
  /** A write has failed: nothing more is written before `#recover`. */
  #failed = false;
  /** Since then the ledger has not been read afresh. */
  #ledgerStale = false;
  readonly #figures: WriterFigures = new WriterFigures();

  /** @throws DataFolderError */
  constructor(options: WriterOptions) {
    this.#options = options;
    this.#files = filesOf(options.folder);
    this.#lock = lockFolder(this.#files);
    this.#mark = new CommittedMark(this.#files.mark);
    try {
      this.#connection = new Connection(openDatabase(this.#files));
      this.#state = refusingDamage(this.#files, () => this.#beginIfWritable());
      this.#ledger = refusingDamage(this.#files, () => new Ledger(this.#connection, this.#state));
      this.#reservedThrough = this.#state.reservedThrough;
      this.#next = this.#state.reservedThrough + 1;
      this.#failed = this.#unavailable !== undefined;
      this.#measureFiles();
      this.#countChannels();
    } catch (error) {
      this.#lock.release();
      throw error;
    }
  }

  /** Where it began, and whether it can be written by now. */
  get opened(): Opened {
    const { epoch, epochStart, reservedThrough: head } = this.#state;
    return {
      epoch,
      epochStart,
      head,
      unavailable: this.#unavailable?.code,
      difference: this.#difference,
      figures: this.#figures.buffer,
    };
  }

  /** Appends all that may be appended, in one transaction. @throws UnavailableError when nothing was */
  append(batch: ArrayBuffer): Committed {
    const startMs = performance.now();
    const others: [number, AppendOutcome][] = [];
    if (this.#failed) this.#recover();
    const first = this.#next;
    const storedBefore = this.#stored;
    this.#attempt(() => {
      let index = 0;
      for (const record of decodeBatch(batch)) {
        const other = this.#appendOne(record);
        if (other !== undefined) others.push([index, other]);
        index++;
      }
      this.#reserve();
    });
    if (this.#stored > storedBefore) this.#mark.note(this.#stored);
    this.#figures.add('records', this.#next - first);
    this.#countChannels();
    this.#noteCommit(performance.now() - startMs);
    return { first, others };
  }

  /** Whether it is time for `keepHouse`: once the commit has been answered. */
  get isHousekeepingDue(): boolean {
    return !this.#failed && (this.#ledger.isSettlingDue || this.#connection.pagesWritten >= WAL_PAGES);
  }

  /** Indexes what is not indexed, and moves the write-ahead log into the database. */
  keepHouse(): void {
    try {
      if (this.#ledger.isSettlingDue) this.#attempt(() => this.#settle());
      if (this.#connection.pagesWritten >= WAL_PAGES) this.#checkpoint();
      this.#housekeepingFailures = 0;
    } catch {
      // Publishing goes on while the write-ahead log has room; it is tried again after as much again.
      this.#figures.add('housekeepingFailures', 1);
      if (++this.#housekeepingFailures >= HOUSEKEEPING_FAILURES_MAX) this.#failed = true;
    }
  }

  /** One step of retention: docs/decisions/0006-retention.md. @throws UnavailableError */
  trim(orders: readonly TrimOrder[], nowMs: number): Trimmed {
    if (this.#failed) this.#recover();
    const keysBefore = nowMs - KEY_LIFETIME_MS;
    const oldestKeyMs = (this.#connection.do.oldestKey.get() as { timeMs: number | null }).timeMs ?? Infinity;
    if (oldestKeyMs > keysBefore && !this.#ledger.isTrimDue(orders, nowMs)) return { removed: 0, more: false };
    return this.#attempt(() => {
      this.#settle();
      const { removed, more } = this.#ledger.trim(orders, nowMs);
      this.#countChannels();
      const purged = Number(this.#connection.do.purgeKeys.run(keysBefore, TRIM_EVENTS_MAX).changes);
      return { removed, more: more || purged === TRIM_EVENTS_MAX };
    });
  }

  channels(query: ChannelQuery): readonly ChannelState[] {
    if (this.#ledgerStale) this.#readLedger(readState(this.#connection.database) as StateRow);
    return this.#ledger.list(query);
  }

  /** Tries whether the disk can be written again. @throws UnavailableError */
  probe(): Opened {
    this.#recover();
    return this.opened;
  }

  close(): void {
    try {
      if (!this.#failed) {
        this.#attempt(() => {
          this.#settle();
          // No hole is left for positions that were reserved and never given.
          this.#connection.begin();
          this.#connection.do.reserve.run(this.#next - 1);
        });
      }
    } catch {
      // All that was acknowledged is durable; what could not be tidied up is tidied up at the next opening.
    } finally {
      this.#connection.close();
      this.#mark.close();
      this.#lock.release();
    }
  }

  /** A disk that is full or failing does not keep a log that was not restored from being read. */
  #beginIfWritable(): StateRow {
    const { database } = this.#connection;
    try {
      return this.#beginGeneration();
    } catch (error) {
      const state = readState(database);
      if (state === undefined || whyOther(database, this.#files, state) !== undefined) throw error;
      this.#unavailable = new UnavailableError(error);
      return state;
    }
  }

  #beginGeneration(): StateRow {
    const { database } = this.#connection;
    const { difference, ...state } = beginGeneration(database, this.#files, { ...this.#options, renew: false });
    this.#stored = newestStored(database);
    this.#mark.begin({ generation: state.generation, through: this.#stored });
    this.#begun = true;
    this.#difference = difference;
    return state;
  }

  /** What is not `appended` is returned; those that are have the next position each. */
  #appendOne(record: NewRecord): AppendOutcome | undefined {
    const { idempotencyKey: key, fingerprint, channel, timeMs, retain, ifLatest } = record;
    const used = key === undefined ? undefined : this.#usedKey(key, timeMs);
    if (used !== undefined && used.fingerprint !== (fingerprint ?? null)) return { kind: 'key_reused' };
    if (used !== undefined)
      return { kind: 'duplicate', position: used.position, channel: used.channel, timeMs: used.timeMs };
    const known = this.#ledger.get(channel);
    const latest = known?.latestPosition ?? 0;
    if (ifLatest !== undefined && !isLatest(ifLatest, latest)) return { kind: 'conflict', latest };
    if (retain !== 'none') {
      if (known === undefined && this.#ledger.size >= this.#options.channelsMax) return { kind: 'channel_limit' };
      this.#ledger.store(known ?? this.#ledger.addChannel(channel), this.#next, record);
      this.#stored = this.#next;
    }
    if (key !== undefined) {
      this.#connection.begin();
      this.#connection.do.insertKey.run(key, fingerprint ?? null, this.#next, channel, timeMs);
      this.#connection.notePages(1);
    }
    this.#next++;
    return undefined;
  }

  #usedKey(key: string, nowMs: number): UsedKey | undefined {
    const used = this.#connection.do.findKey.get(key) as UsedKey | undefined;
    return used !== undefined && used.timeMs + KEY_LIFETIME_MS > nowMs ? used : undefined;
  }

  #reserve(): void {
    if (this.#next - 1 <= this.#reservedThrough) return;
    this.#connection.begin();
    this.#reservedThrough = this.#next - 1 + RESERVATION;
    this.#connection.do.reserve.run(this.#reservedThrough);
  }

  #settle(): void {
    this.#ledger.settle(this.#next - 1);
    this.#figures.add('settles', 1);
  }

  #checkpoint(): void {
    this.#connection.checkpoint();
    this.#figures.add('checkpoints', 1);
    this.#measureFiles();
    if (this.#figures.get('walBytes') > WAL_BYTES_MAX) this.#connection.restartWal();
  }

  /** Runs and commits, if anything was written. Whatever fails leaves the disk as it was, and the ledger stale. */
  #attempt<Result>(run: () => Result): Result {
    const next = this.#next;
    const stored = this.#stored;
    try {
      const result = run();
      this.#connection.commit();
      return result;
    } catch (error) {
      this.#next = next;
      this.#stored = stored;
      this.#failed = true;
      this.#ledgerStale = true;
      this.#connection.rollBack();
      throw new UnavailableError(error);
    }
  }

  /** A new connection, since one that has seen an I/O error may not be trusted, and everything read afresh. */
  #recover(): void {
    this.#failed = true;
    this.#ledgerStale = true;
    try {
      this.#connection.close();
      this.#connection = new Connection(connect(this.#files));
      const state = this.#begun ? (readState(this.#connection.database) as StateRow) : this.#beginGeneration();
      // Writes a page, so it succeeds only if the disk does.
      this.#connection.do.reserve.run(state.reservedThrough);
      this.#checkpoint();
      this.#readLedger(state);
      this.#state = state;
      this.#failed = false;
      this.#unavailable = undefined;
      this.#housekeepingFailures = 0;
    } catch (error) {
      throw new UnavailableError(error);
    }
  }

  #readLedger(state: StateRow): void {
    this.#ledger = new Ledger(this.#connection, state, this.#ledger.lastChannelId);
    this.#reservedThrough = state.reservedThrough;
    this.#ledgerStale = false;
    this.#countChannels();
  }

  #noteCommit(durationMs: number): void {
    this.#figures.add('commits', 1);
    this.#figures.add('commitMsSum', durationMs);
    if (durationMs > 5) this.#figures.add('commitsOver5Ms', 1);
    if (durationMs > 50) this.#figures.add('commitsOver50Ms', 1);
  }

  #countChannels(): void {
    this.#figures.set('channels', this.#ledger.size);
  }

  #measureFiles(): void {
    this.#figures.set('databaseBytes', fileBytes(this.#files.database));
    this.#figures.set('walBytes', fileBytes(this.#files.database + '-wal'));
  }
}

interface UsedKey {
  readonly fingerprint: string | null;
  readonly position: Position;
  readonly channel: string;
  readonly timeMs: number;
}
