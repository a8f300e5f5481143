import type { Feed } from '../core/feed.ts';
import type { Interest, Woken } from '../core/interest.ts';
import type { Clock, Position, StoredRecord } from '../core/ports.ts';
import type { ReadGate } from '../core/read-gate.ts';
import type { Records } from '../core/record-reads.ts';
import type { SubscriptionDefinition, SubscriptionStanding } from '../core/subscription/definition.ts';
import type { Due } from '../core/subscription/due-heap.ts';
import { compileFilter, type Filter } from '../core/subscription/filter.ts';
import type { OpenCounts } from '../core/subscription/lane-counts.ts';
import type { Lane } from '../core/subscription/lane.ts';
import type { Pace } from '../core/subscription/pace.ts';
import type { Replay, StoredSubscription, Subscription } from '../core/subscription/ports.ts';
import { Progress } from '../core/subscription/progress.ts';
import { EventsAhead, type Counted } from './events-ahead.ts';
import { epochGap, GAP_TYPE, lossGap } from './gap.ts';
import type { LagCounter } from './lag-counter.ts';
import { PAGE_BYTES_MAX, READ_RETRY_MS, readLanes } from './lane-reads.ts';
import { jsonOf } from './record-json.ts';
import { withSharedParts } from './shared-parts.ts';

/** What lines read from, all of them. */
export interface LineParts {
  readonly feed: Feed;
  readonly clock: Clock;
  readonly reads: ReadGate;
  /** Counts what memory cannot tell. */
  readonly counter: LagCounter;
}

/** A line that goes once more over what another has behind it, beside it (PROTOCOL.md section 14.4). */
export interface ReplayOf {
  readonly line: Line;
  replay: Replay;
}

/** Who hands out what a line has. */
export interface LineOwner {
  /** There may be something to do for a line; it is called in the midst of other things, and only takes note. */
  ready(line: Line): void;
  /** The same, since events were published: of those who mean them the newest line is told first. */
  woken(line: Line): void;
}

/** Bytes of events that one line has in memory, at most, but always one event. */
const HELD_BYTES_MAX = 1024 * 1024;
/** Events in one page. */
const PAGE_COUNT_MAX = 256;

/**
 * One subscription at work: it stands somewhere in the log, is woken like every reader, and takes up as much as is asked for. Quiet, it
 * is but its position.
 */
export class Line implements Woken, Due {
  readonly #parts: LineParts;
  readonly #owner: LineOwner;
  readonly #through: Position;
  /** Whose events it goes over once more, if it does. */
  readonly replayOf: ReplayOf | undefined;
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
  readonly #ahead = new EventsAhead();
  /** The same as `#gapTold` of what is damaged, which who begins with the earliest event is told as well. */
  #damageTold: Position = 0;
  /** Counts up when what is being read is no longer wanted. */
  #round = 0;
  #isReading = false;
  /** Whatever has not been taken up is no older: when the last event was published that was, or when it last had all, or began. */
  #takenMs: number;
  #isJoined = false;
  deadLetters: number;
  /** Of a webhook: what its endpoint can take; and its requests under way. */
  pace: Pace | undefined;
  inFlight = 0;
  /** What goes over its events once more, and shares its endpoint's pace. */
  replays: readonly Line[] | undefined;
  /** When a suspended endpoint is tried again; and what it is tried with. */
  probeMs = 0;
  probing: Lane | undefined;
  /** Since when events wait for others to share a request with; 0 while none do. */
  gatheringMs = 0;
  /** It could have begun more, but for those who are live. */
  isGivingWay = false;
  /** On its owner's list. */
  isListed = false;
  /** Among those that are known to go well. */
  isListedFirst = false;
  index = -1;
  dueMs = 0;
  heapIndex = -1;

  constructor(parts: LineParts, stored: StoredSubscription, owner: LineOwner, replayOf?: ReplayOf) {
    this.#parts = parts;
    this.#owner = owner;
    this.replayOf = replayOf;
    this.#through = replayOf?.replay.through ?? Infinity;
    this.#definition = withSharedParts(stored.definition);
    const { held } = stored.standing;
    this.standing = held === undefined ? stored.standing : { ...stored.standing, held: undefined };
    this.deadLetters = stored.deadLetters;
    this.#position = stored.standing.cursor;
    this.#takenMs = parts.clock.nowMs();
    // Who begins at the very beginning asks for what there is; but for those who had been in another log.
    this.#gapTold = this.#position === 0 && this.standing.lost === undefined ? parts.feed.head : 0;
    this.#interest = this.#interestOf(stored.definition);
    this.#filter = filterOf(stored.definition);
    if (stored.open.length > 0) this.progress.restore(stored.open, held);
    this.#tellLost();
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

  /** It has figures of its own. */
  get isDurable(): boolean {
    return true;
  }

  /** The subscription's own line. */
  get root(): Line {
    return this.replayOf?.line ?? this;
  }

  /** Whether all that a replay goes over has been taken up. */
  get isThrough(): boolean {
    return this.position >= this.#through;
  }

  /** As a reader: how far it has taken up. */
  get position(): Position {
    const position = this.#progress?.position ?? this.#position;
    return this.#isLive && this.replayOf === undefined ? Math.max(position, this.#parts.feed.head) : position;
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
    this.#progress ??= new Progress(this.#definition.ordering, this.#position, this.replayOf === undefined);
    return this.#progress;
  }

  get hasProgress(): boolean {
    return this.#progress !== undefined;
  }

  /** When the oldest event that is not done was published, or no later than when, as far as is known; Infinity when all is. */
  oldestMs(): number {
    const { feed } = this.#parts;
    const unknownMs = Math.min(this.#takenMs, this.standing.failingSinceMs ?? Infinity);
    const oldestMs = this.#progress?.oldestMs(unknownMs) ?? Infinity;
    if (oldestMs < Infinity || this.#isLive || this.position >= feed.head) return oldestMs;
    // Nobody may have looked, as nobody pulls.
    const isQuiet = this.#isJoined && this.isQuiet();
    const empty = this.#ahead.emptyThrough(this.#counted, this.position);
    return isQuiet || feed.isQuiet(this.#interest, empty) === true ? Infinity : this.#takenMs;
  }

  /** Damage up to here has been told of all that is meant: a lane need not tell it of its channel. */
  get damageTold(): Position {
    return this.#damageTold;
  }

  /** What has been taken up and is not done. */
  get open(): OpenCounts {
    return this.#progress?.open() ?? NOTHING_OPEN;
  }

  /** In events: what is not done, and what it has not taken up. Too high until what memory cannot tell has been counted. */
  lagEvents(head: Position): number {
    const { underWay, failing, waiting } = this.open;
    const ahead = this.#ahead.count(this.#counted, this.position, head);
    if (this.needsCounting) this.#parts.counter.ask(this);
    return underWay + failing + waiting + ahead;
  }

  /** Whether what is ahead of it can only be told by `countAhead`. */
  get needsCounting(): boolean {
    return this.position < this.#parts.feed.head && this.#ahead.needsLook(this.#counted, this.position);
  }

  /** Counts a page more of what is ahead; an idle line is moved over what turns out not to be meant. */
  async countAhead(): Promise<void> {
    const { reads, feed } = this.#parts;
    await reads.run(() => this.#ahead.look(this.#counted, this.position));
    if (!this.#isJoined || this.#isLive || this.#progress !== undefined || this.replayOf !== undefined) return;
    const before = this.#position;
    this.#position = Math.min(feed.head, this.#ahead.emptyThrough(this.#counted, before));
    this.#ahead.took(0, before, this.#position);
    this.isQuiet();
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
      this.#takenMs = this.#parts.clock.nowMs();
      if (this.#progress !== undefined) this.#progress.take(NO_RECORDS, from);
      else if (from > this.#position) this.#position = from;
    }
    this.#owner.woken(this);
  }

  /** Other wishes; what was taken up stays as it is. To be noted just before, as a change of the order begins from there. */
  redefine(definition: SubscriptionDefinition): void {
    this.#settle();
    const before = this.#definition;
    this.#definition = withSharedParts(definition);
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

  /** Once it has been heard that the log it stood in is no more, that need not be told again. */
  noteHeard(): void {
    if (this.standing.lost === undefined || this.#progress?.isHeldUp === true) return;
    this.standing = { ...this.standing, lost: undefined };
  }

  /** Takes up more, from memory at once, else from the log soon, until so many events are held. */
  fill(heldMax: number, openMax: number): void {
    const { progress } = this;
    this.readLanes();
    while (!this.#isReading && !this.#isLive) {
      if (progress.isHeldUp || progress.heldCount >= heldMax || progress.heldBytes >= HELD_BYTES_MAX) return;
      if (progress.waiting >= openMax) return;
      if (this.isThrough) break;
      const countMax = Math.min(PAGE_COUNT_MAX, heldMax);
      const page = this.#parts.feed.nextRecords(this.#interest, progress.position, countMax, PAGE_BYTES_MAX);
      if (page === 'behind') return this.#read(progress, countMax);
      if (page !== undefined) this.#takeOrTell(progress, page);
      else {
        this.#isLive = true;
        progress.take(NO_RECORDS, Math.min(this.#parts.feed.head, this.#through));
      }
    }
    if (this.isThrough) this.#isLive = true;
  }

  /** Whether there is nothing for it, neither taken up nor to come: most are so most of the time, and cost but their position. */
  isQuiet(): boolean {
    if (this.#progress !== undefined || this.replayOf !== undefined) return false;
    const { feed } = this.#parts;
    if (!this.#isLive) {
      if (feed.isQuiet(this.#interest, this.#position) !== true) return false;
      this.#position = Math.max(this.#position, feed.head);
      this.#isLive = true;
    }
    return true;
  }

  /** Reads what lanes need that have waited. */
  readLanes(): void {
    readLanes(this.#parts, this.#owner, this);
  }

  /** Lets go of what a quiet line does not need. */
  rest(): void {
    if (this.#progress === undefined || !this.#progress.isIdle || this.#isReading) return;
    this.#position = this.#progress.position;
    this.#progress = undefined;
  }

  /** Whether it means an event. */
  means(record: StoredRecord): boolean {
    return this.#interest.means(record) && this.#wants(record);
  }

  /**
   * Whether a channel is among the subscription's own, as they are now: nothing of another one leaves the hub, as whoever has a
   * subscription changed, moved or pulled from is asked about those alone. A gap of all channels is of none.
   */
  hasChannel(channel: string): boolean {
    return channel === GAP_TYPE || this.root.#interest.covers(channel);
  }

  /** What it means of events that are its own by their channel and type. */
  wanted(records: readonly StoredRecord[]): readonly StoredRecord[] {
    return this.#filter === undefined ? records : records.filter((record) => this.#wants(record));
  }

  #wants(record: StoredRecord): boolean {
    return this.#filter === undefined || this.#filter(jsonOf(record));
  }

  /** What was live is told from where it is so, before anything about its reading changes. */
  #settle(): void {
    if (!this.#isLive) return;
    const { head } = this.#parts.feed;
    this.#isLive = false;
    this.#takenMs = this.#parts.clock.nowMs();
    if (this.#progress !== undefined) this.#progress.take(NO_RECORDS, head);
    else this.#position = Math.max(this.#position, head);
  }

  /** The order has changed: what is open goes on under the new one, from what has just been noted of it. */
  #reorder(): void {
    if (this.#progress === undefined) return;
    const { cursor } = this.#progress;
    // It is read anew from the cursor: a gap that has not been heard stands nowhere else, and events that were in memory alone may be
    // lost by now.
    this.#gapTold = Math.min(this.#gapTold, cursor);
    this.#damageTold = Math.min(this.#damageTold, cursor);
    this.#progress = this.#progress.reordered(this.#definition.ordering);
    this.#tellLost();
  }

  /** The log it stood in is no more: that is told before anything of this one. */
  #tellLost(): void {
    const { lost, cursor, state } = this.standing;
    if (lost === undefined || state === 'ended') return;
    const { feed, clock } = this.#parts;
    this.progress.takeGap(epochGap(lost, feed.epoch, cursor, clock.nowMs()));
  }

  #read(progress: Progress, countMax: number): void {
    const { feed, reads } = this.#parts;
    const round = this.#round;
    const after = progress.position;
    // Nothing of this log is read before the loss of the other one has been heard of.
    this.noteHeard();
    this.#isReading = true;
    const arrived = (page: Records): void => {
      if (this.#round !== round) return;
      this.#isReading = false;
      this.#takeOrTell(progress, page);
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
    const read = (): Promise<Records> =>
      feed.readRecords(this.#interest, after, Math.min(feed.head, this.#through), countMax, PAGE_BYTES_MAX);
    reads.run(read).then(arrived, failed);
  }

  /** What is lost is told first; then the page is read again. */
  #takeOrTell(progress: Progress, page: Records): void {
    const after = progress.position;
    if (!this.#hasUntold(page, after)) return this.#take(progress, page);
    const isDamage = page.gapReason === 'corrupt';
    if (isDamage) this.#damageTold = page.gapThrough;
    this.#gapTold = isDamage ? Math.max(this.#gapTold, page.gapThrough) : page.gapThrough;
    const { feed, clock } = this.#parts;
    progress.takeGap(lossGap(feed.epoch, after, page.gapThrough, page.gapReason, clock.nowMs()));
  }

  /** Whether a page that begins after a position speaks of a loss that has to be told. */
  #hasUntold({ gapThrough, gapReason }: Records, after: Position): boolean {
    return gapThrough > Math.max(after, gapReason === 'corrupt' ? this.#damageTold : this.#gapTold);
  }

  #take(progress: Progress, { records, reached }: Records): void {
    const meant = reached <= this.#through ? records : records.filter(({ position }) => position <= this.#through);
    const wanted = this.wanted(meant);
    this.#ahead.took(wanted.length, progress.position, reached);
    progress.take(wanted, Math.min(reached, this.#through));
    this.#takenMs = meant.at(-1)?.timeMs ?? this.#takenMs;
  }

  get #counted(): Counted {
    return {
      feed: this.#parts.feed,
      interest: this.#interest,
      filter: this.#filter,
      wanted: (records) => this.wanted(records),
      hasUntold: (page, after) => this.#hasUntold(page, after),
    };
  }

  #interestOf({ channels, types }: SubscriptionDefinition): Interest {
    const channel = this.replayOf?.replay.channel;
    return this.#parts.feed.interest(channel === undefined ? channels : [channel], types);
  }
}

const NO_RECORDS: readonly StoredRecord[] = [];
const NOTHING_OPEN: OpenCounts = { underWay: 0, failing: 0, waiting: 0 };

function filterOf({ filter }: SubscriptionDefinition): Filter | undefined {
  return filter === undefined ? undefined : compileFilter(filter);
}
