import { PolycastError } from '@polycast/protocol';
import type {
  AppendOutcome,
  ChannelQuery,
  ChannelState,
  Checked,
  Log,
  LogState,
  NewRecord,
  Position,
  ReadPage,
  ReadQuery,
  StoredRecord,
  TrimOrder,
} from '../../core/ports.ts';
import type { Unavailable } from '../../sqlite/failure.ts';
import { Thread } from '../../sqlite/thread.ts';
import { CHANNELS_MAX_DEFAULT } from '../limits.ts';
import { AppendQueue } from './append-queue.ts';
import type {
  Channels,
  CheckedPage,
  Opened,
  ReaderRequest,
  Trimmed,
  WriterOptions,
  WriterRequest,
} from './messages.ts';
import { decodePage } from './page-codec.ts';
import type { PackedPage } from './page-codec.ts';
import type { Difference } from './witness.ts';
import { WriterFigures } from './writer-figures.ts';

export interface SqliteLogOptions {
  /** Made if it does not exist. */
  readonly folder: string;
  readonly channelsMax?: number;
  /** Wall clock, milliseconds since 1970; names the epoch. */
  readonly nowMs?: () => number;
  /** A number in [0, 1); names the epoch. */
  readonly chance?: () => number;
  readonly logger?: LogLogger;
}

/** Where the log says what its operator has to know. */
export interface LogLogger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** How often a log that cannot be written is tried again. */
const PROBE_INTERVAL_MS = 250;

/**
 * Opens the log in a data folder. SQLite works in two threads, one that writes and one that reads: neither keeps the
 * event loop waiting, nor the other.
 * @throws DataFolderError when the folder is in use, damaged, too new, or cannot be accessed
 */
export async function openSqliteLog({
  folder,
  channelsMax = CHANNELS_MAX_DEFAULT,
  nowMs = Date.now,
  chance = Math.random,
  logger = SILENT,
}: SqliteLogOptions): Promise<Log> {
  const startWriter = (): Thread<WriterRequest> => {
    const options: WriterOptions = { folder, channelsMax, nowMs: nowMs(), chance: chance() };
    return new Thread<WriterRequest>(import.meta.url, './writer-worker', options);
  };
  const startReader = (): Thread<ReaderRequest> =>
    new Thread<ReaderRequest>(import.meta.url, './reader-worker', { folder });
  const writer = startWriter();
  const reader = startReader();
  try {
    const opened = await writer.request<Opened>({ kind: 'open' });
    sayDifference(opened, folder, logger);
    await reader.request({ kind: 'open' });
    return new SqliteLog(writer, reader, opened, { startWriter, startReader, logger });
  } catch (error) {
    await closeThreads(writer, reader);
    throw error;
  }
}

interface Threads {
  readonly startWriter: () => Thread<WriterRequest>;
  readonly startReader: () => Thread<ReaderRequest>;
  readonly logger: LogLogger;
}

class SqliteLog implements Log {
  readonly #threads: Threads;
  #writer: Thread<WriterRequest>;
  #reader: Thread<ReaderRequest>;
  #opened: Opened;
  readonly #queue: AppendQueue;
  #writerFigures: WriterFigures;
  #head: Position;
  #unavailable: Unavailable | undefined;
  #probeTimer: NodeJS.Timeout | undefined;
  #probing: Promise<void> | undefined;
  #listener: ((records: readonly StoredRecord[]) => void) | undefined;
  #closing: Promise<void> | undefined;
  readonly #logger: LogLogger;
  /** Where damaged ranges end. */
  readonly #damage = new Set<Position>();
  /** Passes of the scrub that came to the end, and what all have compared. */
  #scrubs = 0;
  #scrubbedBytes = 0;
  #reads = 0;
  #failures = 0;

  constructor(writer: Thread<WriterRequest>, reader: Thread<ReaderRequest>, opened: Opened, threads: Threads) {
    this.#threads = threads;
    this.#logger = threads.logger;
    this.#writer = writer;
    this.#reader = reader;
    this.#opened = opened;
    this.#head = opened.head;
    this.#writerFigures = new WriterFigures(opened.figures);
    this.#queue = new AppendQueue(writer, {
      committed: (stored, head) => {
        this.#head = head;
        this.#listener?.(stored);
      },
      failed: (error) => this.#fail(error),
    });
    if (opened.unavailable !== undefined) this.#setUnavailable(opened.unavailable);
  }

  get state(): LogState {
    const { epoch, epochStart } = this.#opened;
    return {
      epoch,
      epochStart,
      head: this.#head,
      unavailable: this.#closing === undefined ? this.#unavailable : 'log_unavailable',
    };
  }

  append(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    if (this.#unavailable !== undefined) return Promise.reject(new PolycastError(this.#unavailable));
    if (records.length === 0) return Promise.resolve([]);
    return this.#queue.append(records);
  }

  follow(listener: (records: readonly StoredRecord[]) => void): void {
    this.#listener = listener;
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    if (this.#closing !== undefined) throw closed();
    this.#reads++;
    // What is committed and not yet known here has not been given to the followers either.
    const within = { ...query, through: Math.max(query.after, Math.min(query.through, this.#head)) };
    try {
      const page = await this.#page(within);
      if (page.corruptThrough > within.after)
        this.#noteDamage(page, within.direction === 'forward' ? within.after : undefined);
      return page;
    } catch (error) {
      if (this.#reader.hasFailed) this.#fail(error);
      throw error;
    }
  }

  /** Each damaged range is counted and logged once, however many readers come to it. */
  #noteDamage({ corruptThrough: through }: { readonly corruptThrough: Position }, after: Position | undefined): void {
    if (this.#damage.has(through) || this.#damage.size >= DAMAGE_MAX) return;
    this.#damage.add(through);
    this.#logger.error({ after, through }, 'log: events are damaged on the disk, readers get a gap');
  }

  async check(after: Position): Promise<Checked> {
    if (this.#closing !== undefined) throw closed();
    const through = this.#head;
    try {
      const checked = await this.#reader.request<CheckedPage>({ kind: 'check', after, through });
      if (checked.corruptThrough > after) this.#noteDamage(checked, after);
      this.#scrubbedBytes += checked.bytes;
      if (checked.reached >= through) this.#scrubs++;
      return checked;
    } catch (error) {
      if (this.#reader.hasFailed) this.#fail(error);
      throw error;
    }
  }

  async #page(query: ReadQuery): Promise<ReadPage> {
    return decodePage(await this.#reader.request<PackedPage>({ kind: 'read', query }));
  }

  async channels(query: ChannelQuery): Promise<readonly ChannelState[]> {
    if (this.#closing !== undefined) throw closed();
    return this.#writer.request<Channels>({ kind: 'channels', query });
  }

  async trim(orders: readonly TrimOrder[], nowMs: number): Promise<Trimmed> {
    if (this.#closing !== undefined) throw closed();
    if (this.#unavailable !== undefined) throw new PolycastError(this.#unavailable);
    try {
      return await this.#writer.request<Trimmed>({ kind: 'trim', orders, nowMs });
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  figures(): Readonly<Record<string, number>> {
    return {
      ...this.#writerFigures.read(),
      ...this.#queue.figures(),
      reads: this.#reads,
      failures: this.#failures,
      damagedRanges: this.#damage.size,
      scrubs: this.#scrubs,
      scrubbedBytes: this.#scrubbedBytes,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#probeTimer);
    await this.#probing;
    await this.#queue.drained();
    await closeThreads(this.#writer, this.#reader);
  }

  #fail(error: unknown): void {
    this.#failures++;
    this.#setUnavailable(error instanceof PolycastError && error.code === 'log_full' ? 'log_full' : 'log_unavailable');
  }

  #setUnavailable(code: Unavailable): void {
    this.#unavailable = code;
    if (this.#closing !== undefined || this.#probeTimer !== undefined) return;
    this.#probeTimer = setTimeout(() => (this.#probing = this.#probe()), PROBE_INTERVAL_MS);
    this.#probeTimer.unref();
  }

  async #probe(): Promise<void> {
    try {
      if (this.#reader.hasFailed) await this.#restartReader();
      if (this.#writer.hasFailed) await this.#restartWriter();
      else this.#opened = await this.#writer.request<Opened>({ kind: 'probe' });
      this.#unavailable = this.#opened.unavailable;
      this.#probeTimer = undefined;
    } catch (error) {
      this.#probeTimer = undefined;
      this.#fail(error);
    }
  }

  async #restartReader(): Promise<void> {
    const reader = this.#threads.startReader();
    await this.#opening(reader);
    this.#reader = reader;
  }

  async #restartWriter(): Promise<void> {
    const writer = this.#threads.startWriter();
    const opened = await this.#opening<Opened>(writer);
    // Stored, and not acknowledged: readers get it all the same.
    await this.#tellMissed(opened.head);
    this.#writer = writer;
    this.#opened = opened;
    this.#writerFigures = new WriterFigures(opened.figures);
    this.#queue.use(writer);
  }

  /** A thread that cannot be opened is ended. */
  async #opening<Value>(thread: Thread<WriterRequest> | Thread<ReaderRequest>): Promise<Value> {
    try {
      return await thread.request<Value>({ kind: 'open' });
    } catch (error) {
      await thread.request({ kind: 'close' }).catch(() => undefined);
      throw error;
    }
  }

  async #tellMissed(through: Position): Promise<void> {
    const query = {
      patterns: ['>'],
      types: undefined,
      through,
      direction: 'forward',
      limit: MISSED_COUNT_MAX,
      bytesMax: MISSED_BYTES_MAX,
    } as const;
    for (let after = this.#head; after < through;) {
      const { records, reached } = await this.#page({ ...query, after });
      after = reached;
      const last = records.at(-1);
      if (last === undefined) continue;
      this.#head = last.position;
      this.#listener?.(records);
    }
  }
}

/** Damaged ranges that are told apart. */
const DAMAGE_MAX = 1_000;

const SILENT: LogLogger = { warn: () => undefined, error: () => undefined };

const DIFFERENCES: Readonly<Record<Difference, string>> = {
  copied: 'log: new epoch, since the database is a copy',
  older: 'log: new epoch, since the database is older than the last one that was written in this folder',
  lost_commits: 'log: new epoch, since the newest acknowledged events are missing from the database',
};

function sayDifference({ difference, epoch }: Opened, folder: string, logger: LogLogger): void {
  if (difference === undefined) return;
  const level = difference === 'lost_commits' ? 'error' : 'warn';
  logger[level]({ folder, epoch, why: difference }, DIFFERENCES[difference]);
}

/** Read at once when the followers have to be told what a writer stored and did not live to say. */
const MISSED_COUNT_MAX = 1000;
const MISSED_BYTES_MAX = 4 * 1024 * 1024;

/** The reader first: the last connection to be closed puts the write-ahead log away. */
async function closeThreads(writer: Thread<WriterRequest>, reader: Thread<ReaderRequest>): Promise<void> {
  for (const thread of [reader, writer] as const) {
    await thread.request({ kind: 'close' }).catch(() => undefined);
    await thread.ended();
  }
}

function closed(): PolycastError {
  return new PolycastError('log_unavailable', 'The log is closed.');
}
