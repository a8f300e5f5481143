import { PolycastError } from '@polycast/protocol';
import type {
  AppendOutcome,
  ChannelQuery,
  ChannelState,
  Log,
  LogState,
  NewRecord,
  Position,
  ReadPage,
  ReadQuery,
  StoredRecord,
  TrimOrder,
} from '../../core/ports.ts';
import { CHANNELS_MAX_DEFAULT } from '../limits.ts';
import { AppendQueue } from './append-queue.ts';
import type {
  Channels,
  Opened,
  ReaderRequest,
  Trimmed,
  Unavailable,
  WriterOptions,
  WriterRequest,
} from './messages.ts';
import { decodePage } from './page-codec.ts';
import type { PackedPage } from './page-codec.ts';
import { Thread } from './thread.ts';
import { WriterFigures } from './writer-figures.ts';

export interface SqliteLogOptions {
  /** Made if it does not exist. */
  readonly folder: string;
  readonly channelsMax?: number;
  /** Wall clock, milliseconds since 1970; names the epoch. */
  readonly nowMs?: () => number;
  /** A number in [0, 1); names the epoch. */
  readonly chance?: () => number;
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
}: SqliteLogOptions): Promise<Log> {
  const options: WriterOptions = { folder, channelsMax, nowMs: nowMs(), chance: chance() };
  const writer = new Thread<WriterRequest>('./writer-worker', options);
  const reader = new Thread<ReaderRequest>('./reader-worker', { folder });
  try {
    const opened = await writer.request<Opened>({ kind: 'open' });
    await reader.request({ kind: 'open' });
    return new SqliteLog(writer, reader, opened);
  } catch (error) {
    await closeThreads(writer, reader);
    throw error;
  }
}

class SqliteLog implements Log {
  readonly #writer: Thread<WriterRequest>;
  readonly #reader: Thread<ReaderRequest>;
  readonly #opened: Opened;
  readonly #queue: AppendQueue;
  readonly #writerFigures: WriterFigures;
  #head: Position;
  #unavailable: Unavailable | undefined;
  #probeTimer: NodeJS.Timeout | undefined;
  #listener: ((records: readonly StoredRecord[]) => void) | undefined;
  #closing: Promise<void> | undefined;
  #reads = 0;
  #failures = 0;

  constructor(writer: Thread<WriterRequest>, reader: Thread<ReaderRequest>, opened: Opened) {
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
    return decodePage(await this.#reader.request<PackedPage>({ kind: 'read', query: within }));
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
    return { ...this.#writerFigures.read(), ...this.#queue.figures(), reads: this.#reads, failures: this.#failures };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#probeTimer);
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
    this.#probeTimer = setTimeout(() => void this.#probe(), PROBE_INTERVAL_MS);
    this.#probeTimer.unref();
  }

  async #probe(): Promise<void> {
    try {
      await this.#writer.request({ kind: 'probe' });
      this.#unavailable = undefined;
      this.#probeTimer = undefined;
    } catch (error) {
      this.#probeTimer = undefined;
      this.#fail(error);
    }
  }
}

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
