import type { Transferable } from 'node:worker_threads';
import { PolycastError } from '@polycast/protocol';
import type {
  AppendOutcome,
  ChannelQuery,
  CountedPage,
  CountQuery,
  ChannelState,
  CheckedRange,
  Log,
  LogErasing,
  LogState,
  NewRecord,
  Position,
  ReadPage,
  ReadQuery,
  StoredRecord,
  TrimOrder,
} from '../../../core/ports.ts';
import { Semaphore } from '../../../core/primitives/semaphore.ts';
import { listAll, type ListedStep } from '../../shared/channel-directory.ts';
import type { Unavailable } from '../failure.ts';
import type { Thread } from '../thread.ts';
import { GroupCommit } from './group-commit.ts';
import type { CheckedPage, OpenedLog, ReaderRequest, Trimmed, WriterRequest } from './messages.ts';
import { decodePage } from './page-codec.ts';
import type { PackedPage } from './page-codec.ts';
import { WriterCounters } from './writer-thread/writer-counters.ts';

/** Milliseconds between attempts to write to an unavailable log. */
const PROBE_INTERVAL_MS = 250;

/** Receives warnings and errors for the operator. */
export interface LogLogger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** How the threads of a log are started again after a crash. */
interface ThreadStarters {
  readonly startWriter: () => Thread<WriterRequest>;
  readonly startReader: () => Thread<ReaderRequest>;
  readonly logger: LogLogger;
}

export class SqliteLog implements Log {
  readonly #threads: ThreadStarters;
  #writer: Thread<WriterRequest>;
  #reader: Thread<ReaderRequest>;
  #openedLog: OpenedLog;
  readonly #appendQueue: GroupCommit;
  #writerCounters: WriterCounters;
  #head: Position;
  #unavailable: Unavailable | undefined;
  #isFailureLogged = false;
  #probeTimer: NodeJS.Timeout | undefined;
  #probing: Promise<void> | undefined;
  #listener: ((records: readonly StoredRecord[]) => void) | undefined;
  #closing: Promise<void> | undefined;
  /** One step of all lists is with the writer at a time, so an append waits for one at most. */
  readonly #listSteps = new Semaphore(1);
  readonly #logger: LogLogger;
  /** The last positions of the damaged ranges found so far. */
  readonly #damagedThrough = new Set<Position>();
  /**
   * Completed passes of the scrub, and the bytes that all passes compared. A scrub compares stored
   * events with their checksums.
   */
  #scrubs = 0;
  #scrubbedBytes = 0;
  #reads = 0;
  #failures = 0;

  constructor(
    writer: Thread<WriterRequest>,
    reader: Thread<ReaderRequest>,
    opened: OpenedLog,
    threads: ThreadStarters,
  ) {
    this.#threads = threads;
    this.#logger = threads.logger;
    this.#writer = writer;
    this.#reader = reader;
    this.#openedLog = opened;
    this.#head = opened.head;
    this.#writerCounters = new WriterCounters(opened.counters);
    this.#appendQueue = new GroupCommit(writer, {
      onCommitted: (stored, head) => this.#deliver(stored, head),
      onFailed: (error) => this.#onFailure(error),
    });
    if (opened.unavailable !== undefined) this.#setUnavailable(opened.unavailable);
  }

  get state(): LogState {
    const { epoch, epochStart } = this.#openedLog;
    return {
      epoch,
      epochStart,
      head: this.#head,
      unavailable: this.#closing === undefined ? this.#unavailable : 'log_unavailable',
    };
  }

  /** What the writer said when it was opened or recovered. */
  protected get openedLog(): OpenedLog {
    return this.#openedLog;
  }

  protected get writerCounters(): WriterCounters {
    return this.#writerCounters;
  }

  protected moveHead(head: Position): void {
    this.#head = head;
  }

  /** Moves the head and passes events on that are in the database. */
  #deliver(stored: readonly StoredRecord[], head: Position): void {
    this.#head = head;
    if (stored.length > 0) this.#listener?.(stored);
  }

  /**
   * Sends a change to the writer. A failure makes the log unavailable until the
   * writer has recovered.
   */
  protected async change<Value>(request: WriterRequest, transfer?: readonly Transferable[]): Promise<Value> {
    if (this.#closing !== undefined) throw closedError();
    if (this.#unavailable !== undefined) throw new PolycastError(this.#unavailable);
    try {
      return await this.#writer.request<Value>(request, transfer);
    } catch (error) {
      this.#onFailure(error);
      throw error;
    }
  }

  /** Asks the writer, between its changes. */
  protected async ask<Value>(request: WriterRequest): Promise<Value> {
    if (this.#closing !== undefined) throw closedError();
    return this.#writer.request<Value>(request);
  }

  append(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    if (this.#unavailable !== undefined) return Promise.reject(new PolycastError(this.#unavailable));
    if (records.length === 0) return Promise.resolve([]);
    // A later start would take its 30 ms of CPU time from the readers of a burst.
    if (this.#head === 0) this.#reader.start();
    return this.#appendQueue.append(records);
  }

  follow(listener: (records: readonly StoredRecord[]) => void): void {
    this.#listener = listener;
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    if (this.#isUntouched) return { records: [], ...emptyRange(query) };
    return this.#request(query, query.direction, (bounded) => this.#page(bounded));
  }

  async count(query: CountQuery): Promise<CountedPage> {
    if (this.#isUntouched) return { count: 0, ...emptyRange(query) };
    return this.#request(query, 'forward', (bounded) =>
      this.#reader.request<CountedPage>({ kind: 'count', query: bounded }),
    );
  }

  /** No event was ever appended. Such a log is read without its thread, which need not start. */
  get #isUntouched(): boolean {
    return this.#head === 0 && this.#closing === undefined;
  }

  async #request<Query extends CountQuery, Page extends Omit<CountedPage, 'count'>>(
    query: Query,
    direction: ReadQuery['direction'],
    request: (bounded: Query) => Promise<Page>,
  ): Promise<Page> {
    if (this.#closing !== undefined) throw closedError();
    this.#reads++;
    const { after } = query;
    try {
      // The writer may have committed events after `#head`. The followers do not have them yet, so
      // a read ends at `#head`.
      const page = await request({ ...query, through: Math.max(after, Math.min(query.through, this.#head)) });
      if (page.corruptThrough > after) this.#recordDamage(page, direction === 'forward' ? after : undefined);
      return page;
    } catch (error) {
      if (this.#reader.hasFailed) this.#onFailure(error);
      throw error;
    }
  }

  /** Counts and logs each damaged range once, however many readers reach it. */
  #recordDamage({ corruptThrough: through }: { readonly corruptThrough: Position }, after: Position | undefined): void {
    if (this.#damagedThrough.has(through) || this.#damagedThrough.size >= DAMAGED_RANGES_MAX) return;
    this.#damagedThrough.add(through);
    this.#logger.error({ after, through }, 'log: events are damaged on the disk, readers receive a gap');
  }

  async check(after: Position): Promise<CheckedRange> {
    if (this.#closing !== undefined) throw closedError();
    const through = this.#head;
    if (this.#isUntouched) return { reached: through, bytes: 0 };
    try {
      const checked = await this.#reader.request<CheckedPage>({ kind: 'check', after, through });
      if (checked.corruptThrough > after) this.#recordDamage(checked, after);
      this.#scrubbedBytes += checked.bytes;
      if (checked.reached >= through) this.#scrubs++;
      return checked;
    } catch (error) {
      if (this.#reader.hasFailed) this.#onFailure(error);
      throw error;
    }
  }

  async #page(query: ReadQuery): Promise<ReadPage> {
    return decodePage(await this.#reader.request<PackedPage>({ kind: 'read', query }));
  }

  async channels(query: ChannelQuery): Promise<readonly ChannelState[]> {
    if (this.#closing !== undefined) throw closedError();
    return listAll(query, (rest, progress) =>
      this.#listSteps.run(() => this.#writer.request<ListedStep>({ kind: 'channels', query: rest, progress })),
    );
  }

  trim(orders: readonly TrimOrder[], nowMs: number): Promise<Trimmed> {
    return this.change({ kind: 'trim', orders, nowMs });
  }

  readonly erasing: LogErasing = {
    erase: (order) => this.change({ kind: 'erase', order }),
    overwrite: () => this.change({ kind: 'overwrite' }),
  };

  stats(): Readonly<Record<string, number>> {
    return {
      ...this.#writerCounters.read(),
      ...this.#appendQueue.stats(),
      reads: this.#reads,
      failures: this.#failures,
      damagedRanges: this.#damagedThrough.size,
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
    await this.#appendQueue.drained();
    await closeThreads(this.#writer, this.#reader);
  }

  #onFailure(error: unknown): void {
    this.#failures++;
    this.#logFailure(error);
    this.#setUnavailable(error instanceof PolycastError && error.code === 'log_full' ? 'log_full' : 'log_unavailable');
  }

  /** Logs the first failure of several. The refusals that follow do not name the cause. */
  #logFailure(error: unknown): void {
    if (this.#isFailureLogged || this.#closing !== undefined) return;
    this.#isFailureLogged = true;
    this.#logger.error({ error: String(error) }, 'log: access to the disk failed, retrying');
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
      else {
        const opened = await this.#writer.request<OpenedLog>({ kind: 'probe' });
        // A commit that failed may be on the disk all the same.
        await this.#deliverMissed(opened);
        this.#openedLog = opened;
      }
      this.#unavailable = this.#openedLog.unavailable;
      this.#isFailureLogged = false;
      this.#probeTimer = undefined;
    } catch (error) {
      this.#probeTimer = undefined;
      this.#onFailure(error);
    }
  }

  async #restartReader(): Promise<void> {
    const reader = this.#threads.startReader();
    await this.#openThread(reader);
    this.#reader = reader;
  }

  async #restartWriter(): Promise<void> {
    const writer = this.#threads.startWriter();
    const opened = await this.#openThread<OpenedLog>(writer);
    // The failed writer may have stored events without an acknowledgement. Readers receive them
    // too.
    await this.#deliverMissed(opened);
    this.#writer = writer;
    this.#openedLog = opened;
    this.#writerCounters = new WriterCounters(opened.counters);
    this.#appendQueue.replaceWriter(writer);
  }

  /** Opens a new thread, and ends it if that fails. */
  async #openThread<Value>(thread: Thread<WriterRequest> | Thread<ReaderRequest>): Promise<Value> {
    try {
      return await thread.request<Value>({ kind: 'open' });
    } catch (error) {
      await thread.request({ kind: 'close' }).catch(() => undefined);
      throw error;
    }
  }

  async #deliverMissed({ head: through, applied }: OpenedLog): Promise<void> {
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
    // A view stores its exact head. The last events may be ephemeral, or erased.
    if (applied !== undefined) this.#head = Math.max(this.#head, through);
  }
}

/** Damaged ranges that are counted and logged. Readers still get a gap for each further one. */
const DAMAGED_RANGES_MAX = 1_000;

/**
 * Bounds of one read, in events and bytes, of events that a failed writer stored but did not
 * report.
 */
const MISSED_COUNT_MAX = 1000;
const MISSED_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Ends the reader first. SQLite removes the write-ahead log when the last connection closes, so the
 * writer has to be last.
 */
export async function closeThreads(writer: Thread<WriterRequest>, reader: Thread<ReaderRequest>): Promise<void> {
  await reader.close({ kind: 'close' });
  await writer.close({ kind: 'close' });
}

/** The end of a read that finds nothing. */
function emptyRange({ after }: CountQuery): Omit<CountedPage, 'count'> {
  return { reached: after, trimmedThrough: after, erasedThrough: after, corruptThrough: after };
}

function closedError(): PolycastError {
  return new PolycastError('log_unavailable', 'The log is closed.');
}
