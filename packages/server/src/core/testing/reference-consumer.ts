import { matches } from '@polycast/protocol';
import type { Batch } from '../events/batch.ts';
import type { Position } from '../ports.ts';
import { Reader, type Sink } from '../reader.ts';
import { positionFraming, positionsOf, retainOf, type FeedWorld } from './feed-world.ts';

/** The request of a consumer, from a position on. */
export interface ConsumerOptions {
  readonly patterns: readonly string[];
  readonly types: readonly string[] | undefined;
  readonly except: readonly string[];
}

export interface PublishedEvent {
  readonly position: Position;
  readonly channel: string;
  readonly type: string | undefined;
}

/**
 * A consumer that compares its events with a reference. The reference knows nothing of tails, pages
 * and caches.
 */
export class ReferenceConsumer implements Sink {
  readonly reader: Reader;
  readonly #world: FeedWorld;
  readonly #events: readonly PublishedEvent[];
  /** Each change to other channels begins a phase. */
  readonly #phases: { readonly from: Position; readonly options: ConsumerOptions }[];
  readonly #limit: number;
  readonly #through: Position;
  readonly #seen = new Set<Position>();
  readonly #gaps: { readonly from: Position; readonly through: Position; readonly phase: number }[] = [];
  /** The first error found. Thrown from within the reader, it would disturb the reader. */
  #firstError: unknown;
  #pending: ConsumerOptions | undefined;
  #isBlocked = false;
  #isWriting = false;
  #last: Position;
  #newest: Position = 0;

  constructor(
    world: FeedWorld,
    events: readonly PublishedEvent[],
    options: ConsumerOptions,
    position: Position,
    limit: number,
    through: Position,
  ) {
    this.#world = world;
    this.#events = events;
    this.#phases = [{ from: position, options }];
    this.#last = position;
    this.#limit = limit;
    this.#through = through;
    this.reader = new Reader(world.feed, this, this.#interest(options), positionFraming, position, limit, through);
    this.reader.start();
  }

  deliver(batch: Batch, includeGap: boolean): boolean {
    this.#capture(() => this.#accept(batch, includeGap));
    this.#last = batch.reached;
    this.#isWriting = this.#isBlocked;
    return !this.#isBlocked;
  }

  #accept(batch: Batch, includeGap: boolean): void {
    assert(!this.#isWriting, 'a second batch in flight');
    const { from, reached, count } = batch;
    assert(this.#last <= from && from < reached && reached <= this.#through, `from ${from} to ${reached}`);
    assert(count <= this.#limit, `${count} events`);
    const phase = this.#phases.length - 1;
    if (includeGap) this.#gaps.push({ from: batch.from, through: batch.gapThrough, phase });
    for (const position of positionsOf(batch)) {
      assert(this.#newest < position && from < position && position <= reached, `event ${position} out of its order`);
      this.#newest = position;
      this.#seen.add(position);
    }
    this.#assertNoHole(from, reached);
  }

  onCaughtUp(): void {
    this.#movedTo(this.reader.position);
    if (this.#pending !== undefined) void Promise.resolve().then(() => this.#applyPending());
  }

  onFailed(error: Error): void {
    this.#firstError ??= error;
  }

  block(): void {
    this.#isBlocked = true;
  }

  flush(): void {
    this.#isBlocked = false;
    if (!this.#isWriting) return;
    this.#isWriting = false;
    this.reader.onFlushed();
  }

  /** Changes the channels from the next position on, as a WebSocket session does. */
  change(options: ConsumerOptions): void {
    if (this.#through !== Infinity || this.reader.isClosed) return;
    const isWaiting = this.#pending !== undefined;
    this.#pending = options;
    if (!isWaiting && this.reader.pause()) this.#applyPending();
  }

  #applyPending(): void {
    const options = this.#pending;
    if (options === undefined || this.reader.isClosed) return;
    this.#pending = undefined;
    this.#movedTo(this.reader.position);
    const interest = this.#interest(options);
    // The same channels in another order begin no phase: a gap that was reported still holds.
    if (interest !== this.reader.interest) this.#phases.push({ from: this.reader.position, options });
    this.reader.resume(interest);
  }

  /**
   * Asserts that the reader is at rest at the right position: at the head or at its end.
   * @throws the first error found
   */
  assertIdle(): void {
    if (this.#firstError !== undefined) throw this.#firstError;
    if (this.reader.isClosed) return;
    const { position } = this.reader;
    assert(position === Math.min(this.#world.feed.head, this.#through), `at rest at ${position}`);
    this.#assertNoHole(this.#last, position);
  }

  #movedTo(position: Position): void {
    this.#capture(() => this.#assertNoHole(this.#last, position));
    this.#last = Math.max(this.#last, position);
  }

  #capture(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#firstError ??= error;
    }
  }

  #interest({ patterns, types, except }: ConsumerOptions): Reader['interest'] {
    return this.#world.feed.interest(patterns, types, except);
  }

  /**
   * Asserts that every matching event in this range was delivered, replaced, ephemeral and
   * forgotten, or reported as lost.
   */
  #assertNoHole(from: Position, through: Position): void {
    for (const event of this.#events) {
      if (event.position <= from || event.position > through || !this.#matches(event)) continue;
      if (this.#seen.has(event.position) || this.#mayBeMissing(event)) continue;
      assert(false, `event ${event.position} on ${event.channel} is missing in ${from}..${through}`);
    }
    for (const position of this.#seen) {
      const event = this.#events[position - 1];
      assert(event !== undefined && this.#matches(event), `event ${position} was not asked for`);
    }
  }

  #phaseOf(position: Position): number {
    return this.#phases.findLastIndex(({ from }) => from < position);
  }

  #matches({ position, channel, type }: PublishedEvent): boolean {
    const phase = this.#phases[this.#phaseOf(position)];
    if (phase === undefined) return false;
    const { patterns, types, except } = phase.options;
    if (types !== undefined && (type === undefined || !types.includes(type))) return false;
    return (
      patterns.some((pattern) => matches(pattern, channel)) && !except.some((pattern) => matches(pattern, channel))
    );
  }

  #mayBeMissing({ position, channel }: PublishedEvent): boolean {
    const retain = retainOf(channel);
    if (retain === 'none' && position <= this.#world.feed.tail.start) return true;
    if (retain === 'latest' && this.#events.some((later) => later.channel === channel && later.position > position))
      return true;
    return this.#gaps.some(
      (gap) => gap.phase === this.#phaseOf(position) && gap.from < position && position <= gap.through,
    );
  }
}

function assert(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Error(text);
}
