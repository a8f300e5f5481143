import type { Clock, Position } from '../core/ports.ts';
import type { SessionJournalStore } from '../core/session-journal/session-journal-store.ts';
import type { JournalChange, SessionEnd } from '../core/session-journal/session-record.ts';
import { BoundedCache } from '../core/primitives/bounded-cache.ts';
import { ticksOf, type TimingWheel, type WheelTimer } from '../core/primitives/timing-wheel.ts';
import {
  isRecorded,
  type AnsweredPoll,
  type Session,
  type SessionBefore,
  type SessionListener,
} from '../auth/sessions.ts';
import { isRefusedReading, type RefusedReading } from '../auth/refusal-log.ts';
import { Pollers } from './pollers.ts';
import { NewestChanges, recordedChannels, type DescribedSession } from './newest-changes.ts';
import { recordedAddress, type JournalAddresses } from './recorded-address.ts';
import { WaitingChanges } from './waiting-changes.ts';

export interface SessionJournalParts {
  readonly store: SessionJournalStore;
  readonly settings: { readonly journalAddresses: JournalAddresses };
  readonly epoch: string;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly wheel: TimingWheel;
  readonly createId: () => string;
  /** The live sessions of a user. */
  readonly sessionsOf: (user: string) => readonly Session[];
  readonly logger: { warn(fields: object, message: string): void };
}

/** Changes wait this long for others. */
const BATCH_TICKS: number = ticksOf(1000);
/**
 * Batches in one write, and one write in a tick of the wheel: 16,000 changes a second. A full one
 * takes the event loop some tenths of a millisecond. A crowd that connects at once is recorded over
 * the next seconds.
 */
const BATCHES_MAX = 8;
/** Changes that a read writes first. */
const WRITTEN_FIRST_MAX = 2000;
/** The journal looks at its age, and at pollers that have gone, this often. */
const UPKEEP_TICKS: number = ticksOf(10_000);
/** Between two recorded refusals of a user, and the memory for the users that were refused last. */
const REFUSAL_INTERVAL_MS = 10_000;
const REFUSED_BYTES_MAX: number = 1024 * 1024;
/** The number of a live session that was erased: nothing of it is recorded any more. */
const ERASED = -1;
/**
 * Records sessions in the journal (PROTOCOL.md section 13.10). A change waits in memory for a
 * second, and the changes of that second are written together. Deliveries write nothing.
 */
export class SessionJournal implements SessionListener {
  readonly #parts: SessionJournalParts;
  readonly #pollers: Pollers;
  readonly #waiting: WaitingChanges;
  readonly #newest: NewestChanges;
  readonly #refusedMs = new BoundedCache<number>(REFUSED_BYTES_MAX, () => 8);
  /** When a change was lost last. */
  #lostMs = 0;
  #isFailing = false;
  readonly #writer: Timer;
  readonly #upkeep: Timer;

  constructor(parts: SessionJournalParts) {
    this.#parts = parts;
    this.#waiting = new WaitingChanges(parts.store.batchLinesMax);
    this.#newest = new NewestChanges(parts.settings.journalAddresses, parts.epoch, parts.store.newestNumber);
    this.#writer = new Timer(parts.wheel, () => this.#writeBatch());
    this.#upkeep = new Timer(parts.wheel, () => this.#maintain());
    this.#upkeep.start(UPKEEP_TICKS);
    this.#pollers = new Pollers({
      nowMs: () => parts.clock.nowMs(),
      createId: parts.createId,
      isWaiting: (user) => parts.sessionsOf(user).some(({ transport }) => transport === 'long-poll'),
      opened: (poller) => (poller.number = this.#open(poller, poller.openedAt)),
      ended: (poller, end) => this.#end(poller.number, poller, poller.openedAt, end),
    });
  }

  /**
   * The recorded sessions. What has happened is written first, unless a crowd has just connected.
   */
  get store(): SessionJournalStore {
    if (this.waitingCount <= WRITTEN_FIRST_MAX) this.flush();
    return this.#parts.store;
  }

  /** Everything since this time is recorded, in milliseconds since 1970. */
  get sinceMs(): number | undefined {
    const { sinceMs } = this.#parts.store;
    return sinceMs === undefined ? undefined : Math.max(sinceMs, this.#lostMs);
  }

  /** The users' polls that have not ended. */
  get pollers(): Pollers {
    return this.#pollers;
  }

  /** Changes that the disk did not accept in time. */
  get lostCount(): number {
    return this.#waiting.lostCount;
  }

  get waitingCount(): number {
    return this.#waiting.count + this.#newest.count;
  }

  opened(session: Session): void {
    if (!isRecorded(session)) return;
    // A WebSocket without channels reads nothing. It is recorded when it has some, or ends.
    if (session.interest.patterns.length === 0) return;
    session.journalNumber = this.#newest.addOpening(session, session.position, undefined);
    this.#added();
  }

  changed(session: Session, before: SessionBefore): void {
    if (!isRecorded(session)) return;
    const { principal, channels, journalNumber } = session;
    const position = before.from ?? session.position;
    if (journalNumber === ERASED) return;
    if (journalNumber === 0) {
      if (channels.length > 0) session.journalNumber = this.#open(session, position);
      return;
    }
    if (before.channels === channels && before.principal.user === principal.user) return;
    const timeMs = this.#parts.clock.nowMs();
    const change = { timeMs, position, channels: recordedChannels(session.interest), user: principal.user };
    const isAuthenticated = before.principal.user === undefined && principal.user !== undefined;
    this.#add({
      kind: 'changed',
      session: journalNumber,
      change,
      ...(isAuthenticated && { authenticatedSinceMs: session.sinceMs }),
    });
  }

  closed(session: Session): void {
    if (!isRecorded(session) || session.journalNumber === ERASED) return;
    const { journalNumber, writtenThrough: position, endReason: reason, gaps } = session;
    const end = { timeMs: this.#parts.clock.nowMs(), position, reason, polls: 0, skipped: NONE, gaps };
    if (journalNumber === 0) this.#open(session, position, end);
    else this.#end(journalNumber, session, undefined, end);
  }

  answered(poll: AnsweredPoll): void {
    this.#pollers.answered(poll);
  }

  /**
   * Records that a user was refused to read a channel, at most once in ten seconds for each user.
   */
  refused(refusal: RefusedReading): void {
    const { user, kind, key, address, channel } = refusal;
    if (user === undefined || channel === undefined || !isRefusedReading(refusal)) return;
    const timeMs = this.#parts.clock.nowMs();
    if ((this.#refusedMs.get(user) ?? -Infinity) > timeMs - REFUSAL_INTERVAL_MS) return;
    this.#refusedMs.set(user, timeMs);
    const number = this.#newest.nextNumber();
    const members = { number, epoch: this.#parts.epoch, id: this.#parts.createId(), kind: kind ?? 'user', user, key };
    const end = { timeMs, position: undefined, reason: 'refused', polls: 0, skipped: NONE, gaps: NONE } as const;
    const session = { ...REFUSED, ...members, address: this.#addressOf(address), channels: [channel] };
    this.#add({ kind: 'opened', session: { ...session, openedMs: timeMs, end } });
  }

  /**
   * Removes the sessions that a user had until a time permanently.
   * Call it before any session opens.
   */
  eraseEarlier(user: string, openedThroughMs: number): void {
    this.#parts.store.eraseUser(user, openedThroughMs);
  }

  /**
   * Removes a user's sessions permanently, also those that wait to be written.
   * Returns their number.
   */
  eraseUser(user: string): number {
    this.#pollers.forget(user);
    for (const session of this.#parts.sessionsOf(user)) if (isRecorded(session)) session.journalNumber = ERASED;
    this.flush();
    // A full disk accepts them later.
    if (this.#waiting.count > 0) this.#waiting.forget(user);
    return this.#parts.store.eraseUser(user);
  }

  /** Writes all that waits. What the disk does not accept is tried again later. */
  flush(): void {
    while (this.waitingCount > 0 && this.#write());
  }

  /** Records the end of the pollers and writes all that waits. */
  close(): void {
    this.#pollers.endAll('drain');
    this.flush();
    this.#writer.stop();
    this.#upkeep.stop();
    this.#parts.store.close(this.#parts.clock.nowMs());
  }

  /** Records a session, and returns the number that it gets. */
  #open(session: DescribedSession, openedAt: Position | undefined, end?: SessionEnd): number {
    const number = this.#newest.addOpening(session, openedAt, end);
    this.#added();
    return number;
  }

  #add(change: JournalChange): void {
    this.#newest.add(change);
    this.#added();
  }

  #added(): void {
    const { count, isFull } = this.#newest;
    if (isFull) this.#describeNewest();
    // It runs as long as changes are among the newest.
    else if (count === 1 && !this.#writer.isRunning) this.#writer.start(BATCH_TICKS);
  }

  /** Adds the lines of the newest changes to those that wait. */
  #describeNewest(): void {
    if (this.#newest.moveTo(this.#waiting)) this.#lostMs = this.#parts.clock.nowMs();
  }

  #addressOf(address: string): string {
    return recordedAddress(address, this.#parts.settings.journalAddresses);
  }

  #end(number: number, session: DescribedSession, openedAt: Position | undefined, end: SessionEnd): void {
    // The opening of a long session has left the ring: it is recorded again.
    if (number < this.#parts.store.oldestNumber) this.#open(session, openedAt, end);
    else this.#add({ kind: 'ended', session: number, user: session.principal.user, end });
  }

  #writeBatch(): void {
    if (!this.#write()) this.#writer.start(BATCH_TICKS);
    else if (this.#waiting.count > 0) this.#writer.start(1);
  }

  /** Writes one batch. Returns false when the disk did not accept it. */
  #write(): boolean {
    this.#describeNewest();
    const batches = this.#waiting.first(BATCHES_MAX);
    try {
      this.#parts.store.write(batches, this.#parts.clock.nowMs());
    } catch (error) {
      if (!this.#isFailing)
        this.#parts.logger.warn({ error: String(error) }, 'session journal: write failed, retrying');
      this.#isFailing = true;
      return false;
    }
    this.#isFailing = false;
    this.#waiting.remove(batches.length);
    return true;
  }

  #maintain(): void {
    this.#pollers.endIdle();
    this.#write();
    this.#upkeep.start(UPKEEP_TICKS);
  }
}

const NONE: readonly never[] = [];

/** The members of a refused session that are always the same: it never began. */
const REFUSED = {
  transport: undefined,
  client: undefined,
  excludesOwn: false,
  changes: NONE,
  types: undefined,
  openedAt: undefined,
} as const;

/** A timer of the wheel that can be started again. */
class Timer implements WheelTimer {
  readonly #wheel: TimingWheel;
  readonly #run: () => void;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;

  constructor(wheel: TimingWheel, run: () => void) {
    this.#wheel = wheel;
    this.#run = run;
  }

  get isRunning(): boolean {
    return this.dueTick > 0;
  }

  start(ticks: number): void {
    this.#wheel.schedule(this, ticks);
  }

  stop(): void {
    this.#wheel.cancel(this);
  }

  onTimer(): void {
    this.#run();
  }
}
