import type { GapReason } from '@polycast/protocol';
import type { Interest } from './interests/interest.ts';
import { LOG_PAGE_COUNT_MAX, gapOf, pageEnd, type LogReader } from './log-reader.ts';
import type { Position, StoredRecord } from './ports.ts';
import type { Tail } from './tail.ts';
import { alwaysWanted, SingleFlight } from './primitives/single-flight.ts';

/** How far a page goes, and what is lost in it. */
export interface PageBounds {
  /** Every matching event up to and including this position is in the page or before. */
  readonly reached: Position;
  /** As in `Batch`. */
  readonly gapThrough: Position;
  readonly gapReason: GapReason;
}

/** The next events for a consumer that takes them unframed. */
export interface RecordPage extends PageBounds {
  readonly records: readonly StoredRecord[];
}

/** The number of the next events. */
export interface RecordCount extends PageBounds {
  readonly count: number;
}

/**
 * The reader for durable subscriptions: returns unframed events from the tail, or from the log
 * behind it.
 */
export class RecordReader {
  readonly #tailNow: () => Tail;
  readonly #reads: LogReader;
  readonly #stats: { tailHits: number };
  readonly #pendingReads = new SingleFlight<RecordPage>();
  /**
   * The result of the last `collect`: all subscriptions that are woken together ask for the same.
   */
  #lastCollected: (RecordPage & { readonly key: string; readonly head: Position }) | undefined;

  constructor(tailNow: () => Tail, reads: LogReader, stats: { tailHits: number }) {
    this.#tailNow = tailNow;
    this.#reads = reads;
    this.#stats = stats;
  }

  /** Drops the last result: some of its events may have been removed. */
  clear(): void {
    this.#lastCollected = undefined;
  }

  /** Like `Feed.nextRecords`. */
  next(interest: Interest, after: Position, countMax: number, bytesMax: number): RecordPage | 'behind' | undefined {
    const tail = this.#tailNow();
    const { head } = tail;
    if (after >= head || interest.mayHaveNewEvents(after) === false) return undefined;
    if (!tail.covers(interest, after)) return 'behind';
    const key = `${after} ${countMax} ${bytesMax} ${interest.key}`;
    const last = this.#lastCollected;
    if (last !== undefined && last.head === head && last.key === key) return last;
    this.#stats.tailHits++;
    const collected = tail.collect(interest, after, bytesMax, countMax, bodySize);
    if (collected.records.length === 0 && collected.gapThrough === 0) interest.markQuiet(after, head);
    this.#lastCollected = { key, head, gapReason: 'retention', ...collected, records: tail.keep(collected.records) };
    return this.#lastCollected;
  }

  /** Like `Feed.readRecords`. */
  read(
    interest: Interest,
    after: Position,
    through: Position,
    countMax: number,
    bytesMax: number,
  ): Promise<RecordPage> {
    const key = `${after} ${through} ${countMax} ${bytesMax} ${interest.key}`;
    return this.#pendingReads.share(key, alwaysWanted, () => this.#page(interest, after, through, countMax, bytesMax));
  }

  /** Like `Feed.countRecords`. */
  async count(interest: Interest, after: Position, through: Position): Promise<RecordCount> {
    const end = Math.min(pageEnd(this.#tailNow(), after), through);
    if (after >= end) return { count: 0, ...emptyPage(after, end) };
    const { count, reached, ...lost } = await this.#reads.count(interest, after, end);
    return { count, reached, ...gapOf(lost, after) };
  }

  async #page(
    interest: Interest,
    after: Position,
    through: Position,
    countMax: number,
    bytesMax: number,
  ): Promise<RecordPage> {
    const end = Math.min(pageEnd(this.#tailNow(), after), through);
    if (after >= end) return { records: [], ...emptyPage(after, end) };
    const limit = Math.min(countMax, LOG_PAGE_COUNT_MAX);
    const page = await this.#reads.page(interest, after, end, 'forward', limit, bytesMax);
    const { gapThrough, gapReason } = gapOf(page, after);
    if (page.records.length === 0 && gapThrough === 0) interest.markQuiet(after, page.reached);
    return { records: page.records, reached: page.reached, gapThrough, gapReason };
  }
}

function emptyPage(after: Position, end: Position): PageBounds {
  return { reached: Math.max(after, end), gapThrough: 0, gapReason: 'retention' };
}

/** The size of an event that is not framed. */
export function bodySize(bodyBytes: number): number {
  return bodyBytes;
}
