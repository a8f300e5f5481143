import { PolycastError, type Framing } from '@polycast/protocol';
import type { Batch } from './events/batch.ts';
import type { Feed } from './feed.ts';
import type { Interest } from './interests/interest.ts';
import type { Position } from './ports.ts';

/**
 * The transport's side of a reader, which writes its batches. It frames nothing and decides
 * nothing.
 */
export interface Sink {
  /**
   * Writes a batch: its gap, if `includeGap`, then its events, if any. Returns true when the kernel
   * has taken all bytes. Otherwise the sink calls `reader.onFlushed()` once it has.
   */
  deliver(batch: Batch, includeGap: boolean): boolean;
  /**
   * Called after a page of the log was delivered without blocking the reader. `false`: the sink has
   * closed the reader.
   */
  onPageRead?(): boolean;
  /**
   * Called when the reader stops: it has caught up, is paused, or has reached its end. May be
   * called often.
   */
  onCaughtUp(): void;
  /** Reads the memory that `deliver` needs, as `Wakeable.prefetch` does for `wake`. */
  prefetch?(): number;
  /** Called when the log could not be read. The reader has closed. */
  onFailed(error: PolycastError): void;
}

/**
 * `live`: has caught up; waits for a wake-up if it has joined its interest. `reading`: a read of
 * the log is in flight. `writing`: the sink has not yet written the last batch. `idle`: not
 * started, paused, or at its end.
 */
type Phase = 'idle' | 'live' | 'reading' | 'writing' | 'closed';

/**
 * A reader: a position in the log and an interest, for one connection. It is *joined* while its
 * interest wakes it, and *live* while it has caught up. A live reader waits for a wake-up, then
 * reads from its own position as far as its sink takes batches. Catching up, replay and a slow
 * reader are the same path. At most one batch is in flight.
 * Example: a reader at 90 of a log with the head 100 delivers the batch 90 to 96, then 96 to 100,
 * and is live.
 */
export class Reader {
  readonly #feed: Feed;
  readonly sink: Sink;
  readonly framing: Framing;
  readonly #countMax: number;
  #interest: Interest;
  #position: Position;
  readonly #through: Position;
  #isPaused = false;
  #phase: Phase = 'idle';
  /**
   * The newest gap that has been reported. Later pages within the same gap carry it too; the reader
   * does not report it again.
   */
  #gapReportedThrough: Position = 0;
  /** Index among the readers of its interest; -1 while it has not joined. */
  index = -1;
  /** The feed has it among the readers that are behind. */
  #isBehind = false;

  /**
   * @param countMax events in a batch, at most
   * @param through the last position it reads; Infinity for a consumer that stays
   */
  constructor(
    feed: Feed,
    sink: Sink,
    interest: Interest,
    framing: Framing,
    position: Position,
    countMax: number = Infinity,
    through: Position = Infinity,
  ) {
    this.#feed = feed;
    this.sink = sink;
    this.#interest = interest;
    this.framing = framing;
    this.#position = position;
    this.#countMax = countMax;
    this.#through = through;
  }

  get interest(): Interest {
    return this.#interest;
  }

  /** Everything up to and including this position has been handed to the sink. */
  get position(): Position {
    return this.#phase === 'live' ? Math.max(this.#position, this.#feed.head) : this.#position;
  }

  get isWriting(): boolean {
    return this.#phase === 'writing';
  }

  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  /** Suppresses the report of gaps up to a position. Call it before `start`. */
  suppressGapThrough(through: Position): void {
    this.#gapReportedThrough = through;
  }

  /**
   * @param joins whether the reader needs wake-ups; a reader of the present events only does not
   * join its interest
   */
  start(joins = true): void {
    if (joins) this.#feed.join(this.#interest, this);
    this.#phase = 'idle';
    this.#pump();
  }

  /**
   * Matching events have been appended after `from`. A live reader has everything up to there, so a
   * quiet one never falls out of the tail.
   */
  wake(from: Position): void {
    if (this.#phase !== 'live') return;
    if (from > this.#position) this.#position = from;
    this.#pumpGuarded();
  }

  prefetch(): number {
    return this.#phase === 'live' ? (this.sink.prefetch?.() ?? 0) : 0;
  }

  /** Called when the sink has written the last batch. */
  onFlushed(): void {
    if (this.#phase === 'writing') this.#pumpGuarded();
  }

  /**
   * Stops after the batch in flight. Returns true when the reader has stopped already. Otherwise it
   * calls `onCaughtUp` of the sink when it stops.
   */
  pause(): boolean {
    this.#position = this.position;
    this.#isPaused = true;
    if (this.#phase === 'live') this.#phase = 'idle';
    this.#markBehind();
    return this.#phase === 'idle';
  }

  /** Continues after `pause`, with the same interest or another one. */
  resume(interest: Interest): void {
    if (this.#phase === 'closed') return;
    this.#isPaused = false;
    if (interest !== this.#interest) {
      this.#feed.leave(this.#interest, this);
      this.#interest = interest;
      // The reported gaps were those of the old channels.
      this.#gapReportedThrough = 0;
      this.#feed.join(interest, this);
    }
    if (this.#phase === 'idle') this.#pump();
  }

  close(): void {
    if (this.#phase === 'closed') return;
    this.#position = this.position;
    this.#phase = 'closed';
    this.#unmarkBehind();
    this.#feed.leave(this.#interest, this);
  }

  #pump(): void {
    for (;;) {
      if (this.#isPaused || this.#position >= this.#through) {
        this.#phase = 'idle';
        this.#markBehind();
        this.sink.onCaughtUp();
        return;
      }
      const batch = this.#feed.next(this.#interest, this.framing, this.#position, this.#countMax, this.#through);
      if (batch === undefined) {
        this.#position = Math.min(this.#feed.head, this.#through);
        if (this.#through === Infinity) {
          this.#phase = 'live';
          this.#unmarkBehind();
        } else {
          this.#phase = 'idle';
          this.#markBehind();
        }
        this.sink.onCaughtUp();
        return;
      }
      if (batch === 'behind') {
        this.#phase = 'reading';
        this.#markBehind();
        const { framing } = this;
        const isWanted = (): boolean => !this.isClosed;
        this.#feed.catchUp(this.#interest, framing, this.#position, this.#countMax, this.#through, isWanted).then(
          (page) => this.#onPage(page),
          (error: PolycastError) => this.#onReadFailed(error),
        );
        return;
      }
      if (!this.#deliver(batch)) return this.#markBehind();
    }
  }

  /** From now on the feed counts it among the readers that are behind. A closed reader has left. */
  #markBehind(): void {
    if (this.#isBehind || this.index < 0) return;
    this.#isBehind = true;
    this.#feed.addBehind(this);
  }

  #unmarkBehind(): void {
    if (!this.#isBehind) return;
    this.#isBehind = false;
    this.#feed.removeBehind(this);
  }

  /**
   * A sink that throws ends its own reader. Other readers get their events, and the process lives.
   */
  #pumpGuarded(): void {
    try {
      this.#pump();
    } catch (error) {
      this.#onSinkFailed(error);
    }
  }

  #onPage(batch: Batch): void {
    if (this.#phase !== 'reading') return;
    try {
      if (this.#deliver(batch) && this.sink.onPageRead?.() !== false) this.#pump();
    } catch (error) {
      this.#onSinkFailed(error);
    }
  }

  #onSinkFailed(error: unknown): void {
    this.#fail(new PolycastError('internal_error', 'A batch could not be delivered.', undefined, { cause: error }));
  }

  #onReadFailed(error: PolycastError): void {
    if (this.#phase === 'reading') this.#fail(error);
  }

  #fail(error: PolycastError): void {
    this.close();
    this.sink.onFailed(error);
  }

  /** Returns true when the next batch may follow immediately. */
  #deliver(batch: Batch): boolean {
    this.#position = batch.reached;
    // Set before the sink runs, because the sink may close this reader.
    this.#phase = 'writing';
    // Damage is always reported, even where gaps are suppressed. The reader passes it immediately,
    // so it meets it only once.
    const includeGap =
      batch.gapThrough > this.#gapReportedThrough || (batch.gapReason === 'corrupt' && batch.gapThrough > 0);
    if (includeGap) this.#gapReportedThrough = Math.max(this.#gapReportedThrough, batch.gapThrough);
    if ((batch.count > 0 || includeGap) && !this.sink.deliver(batch, includeGap)) return false;
    return this.#phase === 'writing';
  }
}
