import { matches } from '@polycast/protocol';
import type { Batch } from '../batch.ts';
import type { Position } from '../ports.ts';
import { Reader, type Sink } from '../reader.ts';
import { positionFraming, positionsOf, retainOf, type World } from './world.ts';

/** What a consumer wants, from a position on. */
export interface Wish {
  readonly patterns: readonly string[];
  readonly types: readonly string[] | undefined;
  readonly except: readonly string[];
}

export interface Published {
  readonly position: Position;
  readonly channel: string;
  readonly type: string | undefined;
}

/** A consumer, and what it must see by a reference that knows nothing of tails, pages and caches. */
export class ReferenceConsumer implements Sink {
  readonly reader: Reader;
  readonly #world: World;
  readonly #events: readonly Published[];
  /** Each change of channels begins a stretch. */
  readonly #stretches: { readonly from: Position; readonly wish: Wish }[];
  readonly #limit: number;
  readonly #through: Position;
  readonly #seen = new Set<Position>();
  readonly #gaps: { readonly from: Position; readonly through: Position; readonly stretch: number }[] = [];
  /** What was found wrong first; thrown from within the reader it would only confuse it. */
  #fault: unknown;
  #pending: Wish | undefined;
  #isBlocked = false;
  #isWriting = false;
  #last: Position;
  #newest: Position = 0;

  constructor(
    world: World,
    events: readonly Published[],
    wish: Wish,
    position: Position,
    limit: number,
    through: Position,
  ) {
    this.#world = world;
    this.#events = events;
    this.#stretches = [{ from: position, wish }];
    this.#last = position;
    this.#limit = limit;
    this.#through = through;
    this.reader = new Reader(world.feed, this, this.#interest(wish), positionFraming, position, limit, through);
    this.reader.start();
  }

  deliver(batch: Batch, tellGap: boolean): boolean {
    this.#check(() => this.#take(batch, tellGap));
    this.#last = batch.reached;
    this.#isWriting = this.#isBlocked;
    return !this.#isBlocked;
  }

  #take(batch: Batch, tellGap: boolean): void {
    demand(!this.#isWriting, 'a second batch in flight');
    const { from, reached, count } = batch;
    demand(this.#last <= from && from < reached && reached <= this.#through, `from ${from} to ${reached}`);
    demand(count <= this.#limit, `${count} events`);
    const stretch = this.#stretches.length - 1;
    if (tellGap) this.#gaps.push({ from: batch.from, through: batch.gapThrough, stretch });
    for (const position of positionsOf(batch)) {
      demand(this.#newest < position && from < position && position <= reached, `event ${position} out of its order`);
      this.#newest = position;
      this.#seen.add(position);
    }
    this.#demandNoHole(from, reached);
  }

  caughtUp(): void {
    this.#standsAt(this.reader.position);
    if (this.#pending !== undefined) void Promise.resolve().then(() => this.#changed());
  }

  failed(error: Error): void {
    this.#fault ??= error;
  }

  block(): void {
    this.#isBlocked = true;
  }

  flush(): void {
    this.#isBlocked = false;
    if (!this.#isWriting) return;
    this.#isWriting = false;
    this.reader.flushed();
  }

  /** Other channels from where it will stand, as a WebSocket session changes them. */
  change(wish: Wish): void {
    if (this.#through !== Infinity || this.reader.isClosed) return;
    const isWaiting = this.#pending !== undefined;
    this.#pending = wish;
    if (!isWaiting && this.reader.hold()) this.#changed();
  }

  #changed(): void {
    const wish = this.#pending;
    if (wish === undefined || this.reader.isClosed) return;
    this.#pending = undefined;
    this.#standsAt(this.reader.position);
    this.#stretches.push({ from: this.reader.position, wish });
    this.reader.resume(this.#interest(wish));
  }

  /**
   * Nobody waits for ever: at rest it stands where it has to.
   * @throws what was found wrong first
   */
  demandAtRest(): void {
    if (this.#fault !== undefined) throw this.#fault;
    if (this.reader.isClosed) return;
    const { position } = this.reader;
    demand(position === Math.min(this.#world.feed.head, this.#through), `at rest at ${position}`);
    this.#demandNoHole(this.#last, position);
  }

  #standsAt(position: Position): void {
    this.#check(() => this.#demandNoHole(this.#last, position));
    this.#last = Math.max(this.#last, position);
  }

  #check(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#fault ??= error;
    }
  }

  #interest({ patterns, types, except }: Wish): Reader['interest'] {
    return this.#world.feed.interest(patterns, types, except);
  }

  /** Every event meant in this range was delivered, replaced, ephemeral and forgotten, or told of as lost, before. */
  #demandNoHole(from: Position, through: Position): void {
    for (const event of this.#events) {
      if (event.position <= from || event.position > through || !this.#means(event)) continue;
      if (this.#seen.has(event.position) || this.#isExcused(event)) continue;
      demand(false, `event ${event.position} on ${event.channel} is missing in ${from}..${through}`);
    }
    for (const position of this.#seen) {
      const event = this.#events[position - 1];
      demand(event !== undefined && this.#means(event), `event ${position} was not asked for`);
    }
  }

  #stretchOf(position: Position): number {
    return this.#stretches.findLastIndex(({ from }) => from < position);
  }

  #means({ position, channel, type }: Published): boolean {
    const stretch = this.#stretches[this.#stretchOf(position)];
    if (stretch === undefined) return false;
    const { patterns, types, except } = stretch.wish;
    if (types !== undefined && (type === undefined || !types.includes(type))) return false;
    return (
      patterns.some((pattern) => matches(pattern, channel)) && !except.some((pattern) => matches(pattern, channel))
    );
  }

  #isExcused({ position, channel }: Published): boolean {
    const retain = retainOf(channel);
    if (retain === 'none' && position <= this.#world.feed.tail.start) return true;
    if (retain === 'latest' && this.#events.some((later) => later.channel === channel && later.position > position))
      return true;
    return this.#gaps.some(
      (gap) => gap.stretch === this.#stretchOf(position) && gap.from < position && position <= gap.through,
    );
  }
}

function demand(holds: boolean, text: string): asserts holds {
  if (!holds) throw new Error(text);
}
