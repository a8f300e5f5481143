import type { JournalChange } from '../core/session-journal/session-journal-store.ts';
import { changeBytes, recordBytes, type SessionRecord } from '../core/session-journal/session-record.ts';

/** Bytes of changes that wait: some 50,000 ordinary sessions. Beyond it the oldest are lost. */
const WAITING_BYTES_MAX = 24 * 1024 * 1024;
/** Bytes that are given up at once at that bound. */
const LOST_BYTES = 512 * 1024;
/** Estimated bytes of the end of a session. */
const END_BYTES = 400;

type Mutable<Value> = { -readonly [Name in keyof Value]: Value[Name] };

/**
 * The changes of the session journal that wait for the disk, the oldest first. Clients choose the
 * length of their texts, so the queue has a bound in bytes.
 *
 * Example: the disk is full for an hour. The newest changes wait, and `lostCount` has the others.
 */
export class WaitingChanges {
  #changes: JournalChange[] = [];
  /** Sessions whose opening waits. Their numbers follow each other. */
  #openings: Mutable<SessionRecord>[] = [];
  #bytes = 0;
  #lostCount = 0;

  get count(): number {
    return this.#changes.length;
  }

  /** Changes that the disk did not accept in time. */
  get lostCount(): number {
    return this.#lostCount;
  }

  /**
   * Adds a change. An opening has the next number. Returns whether older changes were lost for it.
   */
  add(change: JournalChange): boolean {
    this.#changes.push(change);
    this.#bytes += bytesOf(change);
    if (change.kind === 'opened') this.#openings.push(change.session);
    if (this.#bytes <= WAITING_BYTES_MAX) return false;
    const bytesMax = this.#bytes - LOST_BYTES;
    let count = 0;
    for (let bytes = this.#bytes; bytes > bytesMax && count < this.#changes.length; count++)
      bytes -= bytesOf(this.#changes[count] as JournalChange);
    this.#lostCount += count;
    this.remove(count);
    return true;
  }

  /** The record of a session whose opening waits. */
  opening(number: number): SessionRecord | undefined {
    return this.#opening(number);
  }

  /** Changes the record of a session whose opening waits. */
  amend(number: number, members: Partial<Mutable<SessionRecord>>): void {
    const session = this.#opening(number);
    if (session === undefined) return;
    this.#bytes -= recordBytes(session);
    Object.assign(session, members);
    this.#bytes += recordBytes(session);
  }

  /** The oldest changes. */
  first(countMax: number): readonly JournalChange[] {
    return this.#changes.slice(0, countMax);
  }

  /** Removes the oldest changes. */
  remove(count: number): void {
    let openings = 0;
    for (const change of this.#changes.splice(0, count)) {
      this.#bytes -= bytesOf(change);
      if (change.kind === 'opened') openings++;
    }
    this.#openings.splice(0, openings);
  }

  #opening(number: number): Mutable<SessionRecord> | undefined {
    const oldest = this.#openings[0];
    return oldest === undefined ? undefined : this.#openings[number - oldest.number];
  }
}

function bytesOf(change: JournalChange): number {
  if (change.kind === 'opened') return recordBytes(change.session);
  return change.kind === 'changed' ? changeBytes(change.change) : END_BYTES;
}
