import { BATCH_LINES, type ChangeBatch } from '../../core/session-journal/change-batch.ts';
import type { Run } from '../../core/session-journal/change-lines.ts';
import {
  comparePlaces,
  secondOf,
  type SessionJournalStore,
  type UserSessionsQuery,
} from '../../core/session-journal/session-journal-store.ts';
import type { RingBounds } from '../shared/ring-bounds.ts';
import {
  changeBytes,
  recordBytes,
  type ChannelChange,
  type JournalChange,
  type SessionRecord,
} from '../../core/session-journal/session-record.ts';

/** The journal of a hub without a data folder has at most this many sessions, some 5 MB. */
const MEMORY_SESSIONS_MAX = 10_000;
/** Clients choose the texts of their sessions, and how often a session changes its channels. */
const MEMORY_BYTES_MAX = 16 * 1024 * 1024;
/** The changes of one session. Beyond it, the older half of them is removed. */
const CHANGES_BYTES_MAX = 1024 * 1024;

interface MemorySessionOptions extends RingBounds {
  /** Of the log beside it. */
  readonly epoch: string;
  readonly nowMs: number;
}

/** A session, with a list of changes that grows. */
interface Entry {
  session: SessionRecord;
  readonly changes: ChannelChange[];
  changesBytes: number;
}

/** The journal without a disk. It ends with the process. */
export class MemorySessionStore implements SessionJournalStore {
  readonly #countMax: number;
  readonly #ageMaxMs: number;
  /** In the order of their numbers. */
  readonly #entries = new Map<number, Entry>();
  #bytes = 0;
  #sinceMs: number;
  #newestNumber = 0;
  readonly #run: Run;
  readonly batchLinesMax = BATCH_LINES;

  constructor({ sessionsMax, ageMaxMs, epoch, nowMs }: MemorySessionOptions) {
    this.#run = { epoch, seenMs: nowMs, isOver: false };
    this.#countMax = Math.min(sessionsMax, MEMORY_SESSIONS_MAX);
    this.#ageMaxMs = ageMaxMs;
    this.#sinceMs = nowMs;
  }

  get newestNumber(): number {
    return this.#newestNumber;
  }

  get oldestNumber(): number {
    return this.#entries.keys().next().value ?? 0;
  }

  get sinceMs(): number {
    return this.#sinceMs;
  }

  write(batches: readonly ChangeBatch[], nowMs: number): void {
    for (const batch of batches) for (const change of batch.changes(this.#run)) this.#apply(change);
    this.#trim(nowMs);
  }

  get(number: number): SessionRecord | undefined {
    return this.#entries.get(number)?.session;
  }

  find(id: string): SessionRecord | undefined {
    return this.#sessions().findLast((session) => session.id === id);
  }

  ofUser({ user, limit, ...query }: UserSessionsQuery): readonly SessionRecord[] {
    const isForward = 'fromMs' in query;
    const found = this.#sessions().filter(
      (session) =>
        session.user === user &&
        (isForward ? secondOf(session.openedMs) >= secondOf(query.fromMs) : comparePlaces(session, query.before) < 0),
    );
    found.sort((one, other) => (isForward ? comparePlaces(one, other) : comparePlaces(other, one)));
    return found.slice(0, limit);
  }

  page(before: number, limit: number): readonly SessionRecord[] {
    return this.#sessions()
      .filter(({ number }) => number < before)
      .toReversed()
      .slice(0, limit);
  }

  eraseUser(user: string, openedThroughMs = Infinity): number {
    const erased = this.#sessions().filter((session) => session.user === user && session.openedMs <= openedThroughMs);
    for (const { number } of erased) this.#remove(number);
    return erased.length;
  }

  stats(): { readonly sessions: number; readonly bytes: number } {
    return { sessions: this.#entries.size, bytes: 0 };
  }

  close(): void {}

  #sessions(): SessionRecord[] {
    return [...this.#entries.values()].map(({ session }) => session);
  }

  #apply(change: JournalChange): void {
    if (change.kind === 'opened') return this.#open(change.session);
    const entry = this.#entries.get(change.session);
    if (entry === undefined) return;
    if (change.kind === 'changed') this.#changeChannels(entry, change.change);
    else this.#replace(entry, { ...entry.session, end: change.end });
  }

  #open(session: SessionRecord): void {
    const changes: ChannelChange[] = [];
    const entry = { session: { ...session, changes }, changes, changesBytes: 0 };
    this.#newestNumber = session.number;
    this.#entries.set(session.number, entry);
    this.#bytes += recordBytes(session);
    for (const change of session.changes) this.#changeChannels(entry, change);
  }

  #changeChannels(entry: Entry, change: ChannelChange): void {
    const { changes, session } = entry;
    changes.push(change);
    this.#addChanges(entry, changeBytes(change));
    if (session.user === undefined) this.#replace(entry, { ...session, user: change.user });
    if (entry.changesBytes <= CHANGES_BYTES_MAX) return;
    for (const lost of changes.splice(0, changes.length >> 1)) {
      this.#addChanges(entry, -changeBytes(lost));
      this.#sinceMs = Math.max(this.#sinceMs, lost.timeMs + 1);
    }
  }

  #addChanges(entry: Entry, bytes: number): void {
    entry.changesBytes += bytes;
    this.#bytes += bytes;
  }

  #replace(entry: Entry, session: SessionRecord): void {
    this.#bytes += recordBytes(session) - recordBytes(entry.session);
    entry.session = session;
  }

  #remove(number: number): void {
    const entry = this.#entries.get(number);
    if (entry === undefined) return;
    this.#bytes -= recordBytes(entry.session) + entry.changesBytes;
    this.#entries.delete(number);
  }

  #trim(nowMs: number): void {
    for (const [number, { session }] of this.#entries) {
      const isWithin = this.#entries.size <= this.#countMax && this.#bytes <= MEMORY_BYTES_MAX;
      if (isWithin && session.openedMs >= nowMs - this.#ageMaxMs) break;
      this.#remove(number);
      this.#sinceMs = Math.max(this.#sinceMs, session.openedMs + 1);
    }
  }
}
