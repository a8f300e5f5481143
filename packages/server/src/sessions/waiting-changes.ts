import { ChangeBatch } from '../core/session-journal/change-batch.ts';
import type { Run } from '../core/session-journal/change-lines.ts';
import type { JournalChange } from '../core/session-journal/session-record.ts';

/** Bytes of changes that wait: more than 100,000 ordinary ones. Beyond it the oldest are lost. */
const WAITING_BYTES_MAX = 24 * 1024 * 1024;
/** Lines do not say their epoch. Their sessions have not ended with the hub. */
const PRESENT_RUN: Run = { epoch: '', seenMs: 0, isOver: false };
/** Written batches whose room is used again: those of some 4,000 changes. */
const SPARE_BATCHES_MAX = 8;

/**
 * The changes of the session journal that wait for the disk, the oldest first. Clients choose the
 * length of their texts, so the queue has a bound in bytes.
 *
 * Example: the disk is full for an hour. The newest changes wait, and `lostCount` has the others.
 */
export class WaitingChanges {
  readonly #batchLinesMax: number;
  #batches: ChangeBatch[] = [];
  /** The batch that takes the next changes: the last one. */
  #filling: ChangeBatch | undefined;
  /** The bytes of that batch that `#bytes` has. */
  #fillingBytes = 0;
  /** The room for lines in the batch that was filled last. */
  #linesBytes: number | undefined;
  readonly #spare: ChangeBatch[] = [];
  #count = 0;
  #bytes = 0;
  #lostCount = 0;

  constructor(batchLinesMax: number) {
    this.#batchLinesMax = batchLinesMax;
  }

  get count(): number {
    return this.#count;
  }

  /** Changes that the disk did not accept in time. */
  get lostCount(): number {
    return this.#lostCount;
  }

  /** Adds a change. Returns whether older changes were lost for it. */
  add(change: JournalChange): boolean {
    this.filling.add(change);
    return this.added(1);
  }

  /** The batch that takes the next changes. Call `added` after them. */
  get filling(): ChangeBatch {
    return this.#filling ?? this.#nextBatch();
  }

  /** Changes that the batch `filling` can still take: at least one. */
  get fillingRoom(): number {
    return this.#batchLinesMax - this.filling.count;
  }

  /** Changes were added to the batch `filling`. Returns whether older ones were lost for them. */
  added(changes: number): boolean {
    const { filling } = this;
    this.#count += changes;
    if (filling.count >= this.#batchLinesMax) {
      this.#filling = undefined;
      this.#linesBytes = filling.linesBytes;
    }
    if (filling.roomBytes === this.#fillingBytes) return false;
    this.#bytes += filling.roomBytes - this.#fillingBytes;
    this.#fillingBytes = filling.roomBytes;
    if (this.#bytes <= WAITING_BYTES_MAX) return false;
    const countBefore = this.#count;
    this.remove(1);
    this.#lostCount += countBefore - this.#count;
    return true;
  }

  /** The oldest batches. */
  first(batchesMax: number): readonly ChangeBatch[] {
    return this.#batches.slice(0, batchesMax);
  }

  /** Removes the oldest batches. */
  remove(batches: number): void {
    for (const batch of this.#batches.splice(0, batches)) {
      this.#count -= batch.count;
      this.#bytes -= batch.roomBytes;
      if (batch === this.#filling) this.#filling = undefined;
      if (batch.clear() && this.#spare.length < SPARE_BATCHES_MAX) this.#spare.push(batch);
    }
  }

  /** Forgets the sessions that belong to a user as far as the changes say. */
  forget(user: string): void {
    const changes = this.#batches.splice(0).flatMap((batch) => batch.changes(PRESENT_RUN));
    const sessions = new Set(changes.filter((change) => userOf(change) === user).map(sessionOf));
    this.#count = 0;
    this.#bytes = 0;
    this.#filling = undefined;
    for (const change of changes) if (!sessions.has(sessionOf(change))) this.add(change);
  }

  #nextBatch(): ChangeBatch {
    // The lines of a crowd are alike. A room that grew with them would leave each former one to the
    // garbage collector.
    const batch = this.#spare.pop() ?? new ChangeBatch(this.#linesBytes);
    this.#batches.push(batch);
    this.#fillingBytes = 0;
    return (this.#filling = batch);
  }
}

function sessionOf(change: JournalChange): number {
  return change.kind === 'opened' ? change.session.number : change.session;
}

function userOf(change: JournalChange): string | undefined {
  if (change.kind === 'ended') return change.user;
  return change.kind === 'opened' ? change.session.user : change.change.user;
}
