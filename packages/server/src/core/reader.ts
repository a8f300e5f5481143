import { PolycastError, type Framing } from '@polycast/protocol';
import type { Batch } from './events/batch.ts';
import type { Feed } from './feed.ts';
import type { Interest } from './interests/interest.ts';
import type { Position } from './ports.ts';

/** Where a reader's batches go: a transport's side of it. It frames nothing and decides nothing. */
export interface Sink {
  /**
   * Takes a batch: its gap, if that is to be told, then its events, if it has any. True when all has left for the kernel;
   * else `reader.flushed()` is called once it has.
   */
  deliver(batch: Batch, includeGap: boolean): boolean;
  /** A page of the log was read, and nothing that was delivered keeps the reader from the next; false: it is not to go on. */
  onPageRead?(): boolean;
  /** All there is has been delivered; what comes next will wake the reader. May be called often. */
  onCaughtUp(): void;
  /** The log could not be read; the reader has closed. */
  onFailed(error: PolycastError): void;
}

/** `live`: waits to be woken. `reading`: a page of the log is on its way. `writing`: the sink is. */
type Phase = 'idle' | 'live' | 'reading' | 'writing' | 'closed';

/**
 * A consumer: a cursor and the channels it wants. Being live means being woken; then it reads from its own position, as
 * far as its sink takes. Catching up, replay and a slow reader are the same path. At most one batch is in flight.
 */
export class Reader {
  readonly #feed: Feed;
  readonly #sink: Sink;
  readonly framing: Framing;
  readonly #countMax: number;
  #interest: Interest;
  #position: Position;
  readonly #through: Position;
  #isPaused = false;
  #phase: Phase = 'idle';
  /** The farthest gap that has been told: a page that ends within it is followed by others that know of it. */
  #gapReportedThrough: Position = 0;
  /** Where it stands among its interest's readers; -1 while it is not among them. */
  index = -1;

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
    this.#sink = sink;
    this.#interest = interest;
    this.framing = framing;
    this.#position = position;
    this.#countMax = countMax;
    this.#through = through;
  }

  get interest(): Interest {
    return this.#interest;
  }

  /** Everything up to and with this has been delivered. */
  get position(): Position {
    return this.#phase === 'live' ? Math.max(this.#position, this.#feed.head) : this.#position;
  }

  get isWriting(): boolean {
    return this.#phase === 'writing';
  }

  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  /** What is lost up to a position will not be told; to be said before `start`. */
  suppressGapThrough(through: Position): void {
    this.#gapReportedThrough = through;
  }

  /** @param isLive it may have to be woken; whoever only asks what there is now need not be known to those that publish */
  start(isLive = true): void {
    if (isLive) this.#feed.join(this.#interest, this);
    this.#phase = 'idle';
    this.#pump();
  }

  /**
   * Events that are meant have been appended after `from`. A live reader has everything up to there, so that a quiet
   * one never falls out of the tail.
   */
  wake(from: Position): void {
    if (this.#phase !== 'live') return;
    if (from > this.#position) this.#position = from;
    try {
      this.#pump();
    } catch (error) {
      // One sink that breaks must not keep the others from what they are owed.
      this.#fail(new PolycastError('internal_error', 'A batch could not be delivered.', { cause: String(error) }));
    }
  }

  /** The sink has written the last batch. */
  onFlushed(): void {
    if (this.#phase === 'writing') this.#pump();
  }

  /** Stops after what is in flight. True when it stands still at once; else the sink is told by `caughtUp`. */
  pause(): boolean {
    this.#position = this.position;
    this.#isPaused = true;
    if (this.#phase === 'live') this.#phase = 'idle';
    return this.#phase === 'idle';
  }

  /** Goes on after `hold`, with other channels or the same. */
  resume(interest: Interest): void {
    if (this.#phase === 'closed') return;
    this.#isPaused = false;
    if (interest !== this.#interest) {
      this.#feed.leave(this.#interest, this);
      this.#interest = interest;
      // What was told was lost to the channels it had.
      this.#gapReportedThrough = 0;
      this.#feed.join(interest, this);
    }
    if (this.#phase === 'idle') this.#pump();
  }

  close(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#feed.leave(this.#interest, this);
  }

  #pump(): void {
    for (;;) {
      if (this.#isPaused || this.#position >= this.#through) {
        this.#phase = 'idle';
        this.#sink.onCaughtUp();
        return;
      }
      const batch = this.#feed.next(this.#interest, this.framing, this.#position, this.#countMax, this.#through);
      if (batch === undefined) {
        this.#position = Math.min(this.#feed.head, this.#through);
        this.#phase = this.#through === Infinity ? 'live' : 'idle';
        this.#sink.onCaughtUp();
        return;
      }
      if (batch === 'behind') {
        this.#phase = 'reading';
        const { framing } = this;
        const isWanted = (): boolean => !this.isClosed;
        this.#feed.catchUp(this.#interest, framing, this.#position, this.#countMax, this.#through, isWanted).then(
          (page) => this.#onPage(page),
          (error: PolycastError) => this.#onReadFailed(error),
        );
        return;
      }
      if (!this.#deliver(batch)) return;
    }
  }

  #onPage(batch: Batch): void {
    if (this.#phase !== 'reading') return;
    if (this.#deliver(batch) && this.#sink.onPageRead?.() !== false) this.#pump();
  }

  #onReadFailed(error: PolycastError): void {
    if (this.#phase === 'reading') this.#fail(error);
  }

  #fail(error: PolycastError): void {
    this.close();
    this.#sink.onFailed(error);
  }

  /** True when the next batch may follow at once. */
  #deliver(batch: Batch): boolean {
    this.#position = batch.reached;
    // Set before the sink runs, which may close this reader.
    this.#phase = 'writing';
    // Damage is passed at once, so it is met once; and nobody is excused from hearing of it.
    const includeGap =
      batch.gapThrough > this.#gapReportedThrough || (batch.gapReason === 'corrupt' && batch.gapThrough > 0);
    if (includeGap) this.#gapReportedThrough = Math.max(this.#gapReportedThrough, batch.gapThrough);
    if ((batch.count > 0 || includeGap) && !this.#sink.deliver(batch, includeGap)) return false;
    return this.#phase === 'writing';
  }
}
