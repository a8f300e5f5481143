import { closeSync, fsyncSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import type { ChangeBatch } from '../../../core/session-journal/change-batch.ts';
import { withoutLines } from '../../../core/session-journal/change-lines.ts';
import { ERASED_SUBJECT } from '../../../core/session-journal/line-subjects.ts';
import type { SessionJournalStore, UserSessionsQuery } from '../../../core/session-journal/session-journal-store.ts';
import type { SessionRecord } from '../../../core/session-journal/session-record.ts';
import type { RingBounds } from '../../shared/ring-bounds.ts';
import { makePrivateFolder } from '../private-files.ts';
import { readState, Runs } from './journal-state.ts';
import { linesFile, SESSIONS_FOLDER, writeAt } from './segment-files.ts';
import { SegmentRing } from './segment-ring.ts';
import { HEADER_BYTES, type Segment } from './segment.ts';
import { SessionQueries, type WantedLines } from './session-queries.ts';

/** The journal in files beside the log. The event loop writes them, in batches. */
class FileSessionStore implements SessionJournalStore {
  readonly #folder: string;
  readonly #ring: SegmentRing;
  readonly #queries: SessionQueries;
  readonly #runs: Runs;
  #sinceMs: number;
  #isOpen = true;

  constructor(folder: string, { epoch, nowMs, ...bounds }: SessionStoreOptions) {
    this.#folder = folder;
    const state = readState(folder);
    this.#ring = new SegmentRing(folder, bounds, state?.isClosed ?? false);
    const last = state?.runs.at(-1);
    // A run may have opened no session. Then this one takes its place.
    if (last !== undefined) this.#ring.continueAfter(last.firstSession - 1);
    const seenMs = Math.max(last?.seenMs ?? 0, this.#ring.lastMs);
    const earlier = last === undefined ? [] : [...(state?.runs.slice(0, -1) ?? []), { ...last, seenMs }];
    this.#runs = new Runs(folder, earlier, { firstSession: this.newestNumber + 1, epoch, seenMs: nowMs });
    this.#queries = new SessionQueries(this.#ring, (session) => this.#runs.ofSession(session));
    this.#sinceMs = state?.sinceMs ?? this.#ring.oldest?.firstMs ?? nowMs;
    if (this.#ring.hasDropped) this.#moveMark(nowMs);
    this.#saveState(nowMs, false);
  }

  get newestNumber(): number {
    return this.#ring.newestSession;
  }

  get oldestNumber(): number {
    return this.#ring.oldest?.firstSession ?? 0;
  }

  get sinceMs(): number {
    return this.#sinceMs;
  }

  get batchLinesMax(): number {
    return this.#ring.batchLinesMax;
  }

  write(batches: readonly ChangeBatch[], nowMs: number): void {
    this.#ring.append(batches, nowMs);
    if (this.#ring.dropExpired(nowMs)) this.#moveMark(nowMs);
    // The lines themselves say when they were written.
    if (batches.length === 0) this.#saveState(nowMs, false);
  }

  get(number: number): SessionRecord | undefined {
    return this.#queries.get(number);
  }

  find(id: string): SessionRecord | undefined {
    return this.#queries.find(id);
  }

  ofUser(query: UserSessionsQuery): readonly SessionRecord[] {
    return this.#queries.ofUser(query);
  }

  page(before: number, limit: number): readonly SessionRecord[] {
    return this.#queries.page(before, limit);
  }

  eraseUser(user: string, openedThroughMs = Infinity): number {
    const sessions = this.#queries
      .ofUser({ user, fromMs: 0, limit: Infinity })
      .filter(({ openedMs }) => openedMs <= openedThroughMs);
    const numbers = new Set(sessions.map(({ number }) => number));
    const lines = this.#queries.linesOfUser(user, numbers);
    // Those that authenticated later have lines without the user's name,
    const unnamed = sessions.filter(({ changes }) => changes.length > 0).map(({ number }) => number);
    // and the openings of the oldest ones have left the ring.
    unnamed.push(...this.#queries.unopenedOfUser(user, this.oldestNumber));
    const others: WantedLines = unnamed.length > 0 ? this.#queries.linesOfSessions(new Set(unnamed)) : new Map();
    // The openings are erased last: an erasure that was interrupted finds the sessions again.
    for (const segment of this.#ring.segments.toReversed())
      this.#erase(segment, new Set([...(lines.get(segment) ?? []), ...(others.get(segment) ?? [])]));
    return sessions.length;
  }

  stats(): { readonly sessions: number; readonly bytes: number } {
    return { sessions: this.#ring.size, bytes: this.#ring.bytes };
  }

  close(nowMs: number): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.#ring.close();
      this.#saveState(nowMs, true);
    } catch {
      // A full disk. The next start then looks closer, as after a crash.
    }
  }

  /** Overwrites lines, and what they are found by, and waits until they are on the disk. */
  #erase(segment: Segment, erased: ReadonlySet<number>): void {
    if (erased.size === 0) return;
    const descriptor = openSync(linesFile(this.#folder, segment.id), 'r+');
    try {
      const lines = readFileSync(descriptor, 'latin1').slice(HEADER_BYTES, segment.bytes).split('\n').slice(0, -1);
      const remaining = withoutLines(lines, erased);
      let end = segment.bytes;
      for (let index = lines.length - 1; index >= 0; index--) {
        const line = remaining[index] as string;
        end -= line.length + 1;
        if (line !== lines[index]) writeAt(descriptor, [Buffer.from(line, 'latin1')], end);
      }
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    segment.replaceSubjects((subjects) => {
      for (const index of erased) subjects.set(index, ERASED_SUBJECT);
    });
  }

  /**
   * The journal is complete since its first run, or since the oldest session of a ring
   * that dropped others.
   */
  #moveMark(nowMs: number): void {
    this.#sinceMs = Math.max(this.#sinceMs, this.#ring.oldest?.firstMs ?? nowMs);
  }

  #saveState(nowMs: number, isClosed: boolean): void {
    this.#runs.save(this.oldestNumber, { sinceMs: this.#sinceMs, nowMs, isClosed });
  }
}

export interface SessionStoreOptions extends RingBounds {
  /** The data folder. */
  readonly folder: string;
  /** Of the log beside it. */
  readonly epoch: string;
  readonly nowMs: number;
}

/** The journal of builds before the first release was a database, and began anew. */
const FORMER_FILES = ['sessions.sqlite', 'sessions.sqlite-wal', 'sessions.sqlite-shm'];

/**
 * Opens the journal of a data folder that this process has locked. Of damaged files, what can be
 * read remains: no event depends on them.
 * @throws DataFolderError for files of a newer version, or those that cannot be written,
 * as on a full disk
 */
export function openSessionStore(options: SessionStoreOptions): SessionJournalStore {
  const folder = join(options.folder, SESSIONS_FOLDER);
  try {
    for (const name of FORMER_FILES) rmSync(join(options.folder, name), { force: true });
    makePrivateFolder(folder);
    return new FileSessionStore(folder, options);
  } catch (error) {
    if (error instanceof DataFolderError) throw error;
    throw new DataFolderError(
      'inaccessible',
      `${folder} cannot be used: ${(error as Error).message}. Check that this user may read and write it.`,
      { cause: error },
    );
  }
}
