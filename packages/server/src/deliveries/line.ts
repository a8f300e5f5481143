import type { Feed, Records } from '../core/feed.ts';
import type { Interest, Woken } from '../core/interest.ts';
import type { Clock, Position, StoredRecord } from '../core/ports.ts';
import type { SubscriptionDefinition, SubscriptionStanding } from '../core/subscription/definition.ts';
import type { Due } from '../core/subscription/due-heap.ts';
import { compileFilter, type Filter } from '../core/subscription/filter.ts';
import type { Lane } from '../core/subscription/lane.ts';
import type { Pace } from '../core/subscription/pace.ts';
import type { StoredSubscription, Subscription } from '../core/subscription/ports.ts';
import { Progress } from '../core/subscription/progress.ts';
import { gapRecord } from './gap.ts';
import { jsonOf } from './record-json.ts';
import type { ReadGate } from './read-gate.ts';

/** What a line reads from, and whom it tells. */
export interface LineParts {
  readonly feed: Feed;
  readonly clock: Clock;
  readonly reads: ReadGate;
}

/** Who hands out what a line has. */
export interface LineOwner {
  /** There may be something to do for a line; it is called in the midst of other things, and only takes note. */
  ready(line: Line): void;
}

/** Bytes of events that one line has in memory, at most, but always one event. */
const HELD_BYTES_MAX = 1024 * 1024;
/** In one page. */
const PAGE_COUNT_MAX = 256;
const PAGE_BYTES_MAX = 256 * 1024;
/** How soon a log that could not be read is asked again. */
const READ_RETRY_MS = 1000;

/**
 * One subscription at work: it stands somewhere in the log, is woken like every reader, and takes up as much as is asked for. Quiet, it
 * is but its position.
 */
export class Line implements Woken, Due {
  readonly #parts: LineParts;
  readonly #owner: LineOwner;
  #definition: SubscriptionDefinition;
  standing: SubscriptionStanding;
  #interest: Interest;
  #filter: Filter | undefined;
  #progress: Progress | undefined;
  /** While there is no progress: everything up to here is done. */
  #position: Position;
  /** Has come up to the head; everything up to the head of then has been taken up. */
  #isLive = false;
  /** What is lost up to here has been told, or need not be. */
  #gapTold: Position;
  /** Counts up when what is being read is no longer wanted. */
  #round = 0;
  #isReading = false;
  #isJoined = false;
  deadLetters: number;
  /** Of a webhook: what its endpoint can take; and its requests under way. */
  pace: Pace | undefined;
  inFlight = 0;
  /** On its owner's list. */
  isListed = false;
  index = -1;
  dueMs = 0;
  heapIndex = -1;

  constructor(parts: LineParts, stored: StoredSubscription, owner: LineOwner) {
    this.#parts = parts;
    this.#owner = owner;
    this.#definition = stored.definition;
    this.standing = stored.standing;
    this.deadLetters = stored.deadLetters;
    this.#position = stored.standing.cursor;
    // Who begins at the very beginning asks for what there is.
    this.#gapTold = this.#position === 0 ? parts.feed.head : 0;
    this.#interest = this.#interestOf(stored.definition);
    this.#filter = filterOf(stored.definition);
    if (stored.open.length > 0) this.progress.restore(stored.open);
  }

  get id(): string {
    return this.#definition.id;
  }

  get definition(): SubscriptionDefinition {
    return this.#definition;
  }

  get subscription(): Subscription {
    return { definition: this.#definition, standing: { ...this.standing, cursor: this.position } };
  }

  get isActive(): boolean {
    return this.standing.state === 'active';
  }

  /** As a reader: how far it has taken up. */
  get position(): Position {
    const position = this.#progress?.position ?? this.#position;
    return this.#isLive ? Math.max(position, this.#parts.feed.head) : position;
  }

  /** Whether it has come to the end of the log, as far as it knows. */
  get isLive(): boolean {
    return this.#isLive;
  }

  get isReading(): boolean {
    return this.#isReading;
  }

  /** Made when first asked for; to be let go of by `rest`. */
  get progress(): Progress {
    this.#progress ??= new Progress(this.#definition.ordering, this.#position);
    return this.#progress;
  }

  get hasProgress(): boolean {
    return this.#progress !== undefined;
  }

  /** Has itself woken. */
  join(): void {
    if (this.#isJoined) return;
    this.#isJoined = true;
    this.#parts.feed.join(this.#interest, this);
    this.#owner.ready(this);
  }

  leave(): void {
    if (!this.#isJoined) return;
    this.#settle();
    this.#isJoined = false;
    this.#parts.feed.leave(this.#interest, this);
  }

  wake(from: Position): void {
    if (this.#isLive) {
      this.#isLive = false;
      if (this.#progress !== undefined) this.#progress.take(NO_RECORDS, from);
      else if (from > this.#position) this.#position = from;
    }
    this.#owner.ready(this);
  }

  /** Other wishes; what was taken up stays as it is. To be noted just before, as a change of the order begins from there. */
  redefine(definition: SubscriptionDefinition): void {
    this.#settle();
    const before = this.#definition;
    this.#definition = definition;
    this.#filter = filterOf(definition);
    this.#round++;
    this.#isReading = false;
    if (before.ordering !== definition.ordering) this.#reorder();
    const interest = this.#interestOf(definition);
    if (interest === this.#interest) return;
    const isJoined = this.#isJoined;
    if (isJoined) this.#parts.feed.leave(this.#interest, this);
    this.#interest = interest;
    if (isJoined) this.#parts.feed.join(interest, this);
  }

  /** Takes up more, from memory at once, else from the log soon, until so many events are held. */
  fill(heldMax: number, openMax: number): void {
    const { progress } = this;
    this.readLanes();
    while (!this.#isReading && !this.#isLive) {
      if (progress.isHeldUp || progress.heldCount >= heldMax || progress.heldBytes >= HELD_BYTES_MAX) return;
      if (progress.waiting >= openMax) return;
      const countMax = Math.min(PAGE_COUNT_MAX, heldMax);
      const page = this.#parts.feed.nextRecords(this.#interest, progress.position, countMax, PAGE_BYTES_MAX);
      if (page === 'behind') return this.#read(progress, countMax);
      if (page === undefined) this.#isLive = true;
      progress.take(
        page === undefined ? NO_RECORDS : this.#wanted(page.records),
        page?.reached ?? this.#parts.feed.head,
      );
    }
  }

  /** Reads what lanes need that have waited. */
  readLanes(): void {
    const { progress } = this;
    for (let lane = progress.nextToRead(); lane !== undefined; lane = progress.nextToRead())
      this.#readLane(progress, lane);
  }

  /** Lets go of what a quiet line does not need. */
  rest(): void {
    if (this.#progress === undefined || !this.#progress.isIdle || this.#isReading) return;
    this.#position = this.#progress.position;
    this.#progress = undefined;
  }

  /** Whether an event is among what it wants. */
  wants(record: StoredRecord): boolean {
    return this.#filter === undefined || this.#filter(jsonOf(record));
  }

  /** Whether it means an event by its channel and type. */
  means(record: StoredRecord): boolean {
    return this.#interest.means(record) && this.wants(record);
  }

  /** What was live is told from where it is so, before anything about its reading changes. */
  #settle(): void {
    if (!this.#isLive) return;
    const { head } = this.#parts.feed;
    this.#isLive = false;
    if (this.#progress !== undefined) this.#progress.take(NO_RECORDS, head);
    else this.#position = Math.max(this.#position, head);
  }

  /** The order has changed: what is open goes on under the new one, from what has just been noted of it. */
  #reorder(): void {
    if (this.#progress === undefined) return;
    const { cursor } = this.#progress;
    const open = this.#progress.noted();
    this.#progress = new Progress(this.#definition.ordering, cursor);
    this.#progress.restore(open);
  }

  #read(progress: Progress, countMax: number): void {
    const { feed, reads, clock } = this.#parts;
    const round = this.#round;
    const after = progress.position;
    this.#isReading = true;
    const arrived = (page: Records): void => {
      if (this.#round !== round) return;
      this.#isReading = false;
      if (page.gapThrough > Math.max(after, this.#gapTold)) {
        // Told first; the page is read again after it.
        this.#gapTold = page.gapThrough;
        progress.takeGap(gapRecord(feed.epoch, after, page.gapThrough, clock.nowMs()));
      } else progress.take(this.#wanted(page.records), page.reached);
      this.#owner.ready(this);
    };
    const failed = (): void => {
      if (this.#round !== round) return;
      setTimeout(() => {
        if (this.#round !== round) return;
        this.#isReading = false;
        this.#owner.ready(this);
      }, READ_RETRY_MS).unref();
    };
    reads.run(() => feed.readRecords(this.#interest, after, feed.head, countMax, PAGE_BYTES_MAX)).then(arrived, failed);
  }

  #readLane(progress: Progress, lane: Lane): void {
    const { feed, reads, clock } = this.#parts;
    const { after, through, countMax } = progress.pageOf(lane);
    const isHead = !lane.isHeadDone;
    const inMemory = isHead ? feed.find(lane.channel, lane.position) : undefined;
    if (inMemory !== undefined) {
      progress.arrived(lane, [inMemory], through);
      return;
    }
    const arrived = ({ records, reached, gapThrough }: Records): void => {
      const wanted = isHead ? [...records] : [...this.#wanted(records)];
      // What retention has taken of a channel is told in its place.
      if (!isHead && gapThrough > after)
        wanted.unshift(gapRecord(feed.epoch, after, gapThrough, clock.nowMs(), lane.channel));
      if (!progress.arrived(lane, wanted, reached))
        progress.substitute(lane, gapRecord(feed.epoch, after, lane.position, clock.nowMs(), lane.channel));
      this.#owner.ready(this);
    };
    const failed = (): void => {
      progress.unread(lane, clock.nowMs() + READ_RETRY_MS);
      this.#owner.ready(this);
    };
    const interest = feed.interest([lane.channel], isHead ? undefined : this.#definition.types);
    reads.run(() => feed.readRecords(interest, after, through, countMax, PAGE_BYTES_MAX)).then(arrived, failed);
  }

  #wanted(records: readonly StoredRecord[]): readonly StoredRecord[] {
    return this.#filter === undefined ? records : records.filter((record) => this.wants(record));
  }

  #interestOf({ channels, types }: SubscriptionDefinition): Interest {
    return this.#parts.feed.interest(channels, types);
  }
}

const NO_RECORDS: readonly StoredRecord[] = [];

function filterOf({ filter }: SubscriptionDefinition): Filter | undefined {
  return filter === undefined ? undefined : compileFilter(filter);
}
