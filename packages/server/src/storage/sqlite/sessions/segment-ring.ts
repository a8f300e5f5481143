import { BATCH_LINES, type ChangeBatch } from '../../../core/session-journal/change-batch.ts';
import type { RingBounds } from '../../shared/ring-bounds.ts';
import { CompleteSegment } from './complete-segment.ts';
import { GrowingSegment } from './growing-segment.ts';
import { removeSegment, segmentsIn } from './segment-files.ts';
import { indexBytes } from './segment-index.ts';
import { SEGMENT_LINES, type Segment } from './segment.ts';

/** Segments of a full ring, at least. So a full ring removes an eighth of its sessions at most. */
const SEGMENTS_MIN = 8;
/** The operating system writes a file to the disk within this time, if nobody waits for it. */
const WRITTEN_BACK_MS = 60_000;
/** Clients choose the length of their texts. An ordinary segment has 2 MB. */
const SEGMENT_BYTES_MAX = 32 * 1024 * 1024;

/** The segments of the journal: which one takes the next line, and which one is removed. */
export class SegmentRing {
  readonly #folder: string;
  readonly #bounds: RingBounds;
  /** The oldest first. */
  #complete: readonly CompleteSegment[] = [];
  #growing: GrowingSegment | undefined;
  #nextId = 1;
  #newestSession = 0;

  /** @param isSafe everything that was written before is on the disk */
  constructor(folder: string, bounds: RingBounds, isSafe: boolean) {
    this.#folder = folder;
    this.#bounds = bounds;
    const older = [...segmentsIn(folder)];
    const newest = older.pop();
    if (newest === undefined) return;
    this.#nextId = newest + 1;
    this.#growing = (isSafe ? GrowingSegment.open(folder, newest) : undefined) ?? GrowingSegment.load(folder, newest);
    if (this.#growing === undefined) removeSegment(folder, newest);
    const trustedBeforeMs = isSafe ? Infinity : (this.#growing?.lastMs ?? 0) - WRITTEN_BACK_MS;
    this.#complete = older.map((id) => this.#open(id, trustedBeforeMs)).filter((segment) => segment !== undefined);
    this.#newestSession = this.segments.at(-1)?.lastSession ?? 0;
  }

  /** The oldest first. The last one may still grow. */
  get segments(): readonly Segment[] {
    return this.#growing === undefined ? this.#complete : [...this.#complete, this.#growing];
  }

  get oldest(): Segment | undefined {
    return this.#complete[0] ?? this.#growing;
  }

  get newestSession(): number {
    return this.#newestSession;
  }

  /** Sessions up to this number opened earlier, also if none of them is left. */
  continueAfter(session: number): void {
    this.#newestSession = Math.max(this.#newestSession, session);
  }

  /** When the last line was written; 0 without any. */
  get lastMs(): number {
    return Math.max(0, ...this.segments.map(({ lastMs }) => lastMs));
  }

  /** Whether older segments were removed. */
  get hasDropped(): boolean {
    return (this.oldest?.id ?? 1) > 1;
  }

  /** The number of sessions, with those that were erased. */
  get size(): number {
    let size = this.#growing?.sessions ?? 0;
    for (const { sessions } of this.#complete) size += sessions;
    return size;
  }

  /** Of all files. */
  get bytes(): number {
    return this.segments.reduce((sum, { bytes, lines }) => sum + bytes + indexBytes(lines), 0);
  }

  /** The sessions of a segment, at most. */
  get #segmentSessionsMax(): number {
    return Math.max(1, Math.floor(this.#bounds.sessionsMax / SEGMENTS_MIN));
  }

  /** The changes of a batch, at most. A batch is in one segment. */
  get batchLinesMax(): number {
    return Math.min(BATCH_LINES, this.#segmentSessionsMax);
  }

  /** Adds all batches or none. @throws when the disk does not accept them */
  append(batches: readonly ChangeBatch[], nowMs: number): void {
    const before = { complete: this.#complete, growing: this.#growing, newestSession: this.#newestSession };
    const mark = this.#growing?.mark;
    const completed: GrowingSegment[] = [];
    try {
      for (const batch of batches) {
        if (batch.count === 0) continue;
        if (this.#growing !== undefined && this.#isFull(this.#growing, batch.openings, nowMs)) {
          this.#growing.flush();
          this.#complete = [...this.#complete, this.#growing.complete()];
          completed.push(this.#growing);
          this.#growing = undefined;
        }
        this.#growing ??= this.#create(nowMs);
        this.#growing.add(batch, nowMs);
        this.#newestSession = this.#growing.lastSession;
      }
      this.#growing?.flush();
    } catch (error) {
      const created = [...completed, this.#growing].filter((segment) => segment !== before.growing);
      this.#complete = before.complete;
      this.#growing = before.growing;
      this.#newestSession = before.newestSession;
      for (const segment of created) segment?.remove();
      if (mark !== undefined) this.#growing?.revert(mark);
      throw error;
    }
    for (const segment of completed) segment.close();
  }

  /** Removes what is beyond the bounds. Returns whether there was something. */
  dropExpired(nowMs: number): boolean {
    let hasDropped = false;
    for (let size = this.size; ; hasDropped = true) {
      const { oldest } = this;
      if (oldest === undefined) return hasDropped;
      if (size <= this.#bounds.sessionsMax && oldest.lastMs >= nowMs - this.#bounds.ageMaxMs) return hasDropped;
      size -= oldest.sessions;
      this.#dropOldest();
    }
  }

  /** @throws when the disk does not accept the index, which the next start then makes again */
  close(): void {
    try {
      this.#growing?.storeIndex();
    } finally {
      this.#growing?.close();
    }
  }

  /** Its index is made again if it is missing, or may not be on the disk. */
  #open(id: number, trustedBeforeMs: number): CompleteSegment | undefined {
    const indexed = CompleteSegment.open(this.#folder, id);
    if (indexed !== undefined && indexed.lastMs < trustedBeforeMs) return indexed;
    const loaded = GrowingSegment.load(this.#folder, id);
    if (loaded === undefined) {
      removeSegment(this.#folder, id);
      return undefined;
    }
    const complete = loaded.complete();
    loaded.close();
    return complete;
  }

  #isFull({ sessions, lines, bytes, firstMs }: GrowingSegment, moreSessions: number, nowMs: number): boolean {
    return (
      lines + BATCH_LINES > SEGMENT_LINES ||
      bytes > SEGMENT_BYTES_MAX ||
      sessions + moreSessions > this.#segmentSessionsMax ||
      nowMs - firstMs >= this.#bounds.ageMaxMs / SEGMENTS_MIN
    );
  }

  #create(nowMs: number): GrowingSegment {
    const header = { firstMs: nowMs, firstSession: this.#newestSession + 1 };
    return GrowingSegment.create(this.#folder, this.#nextId++, header);
  }

  /** A file that cannot be removed now is in the ring again after the next start. */
  #dropOldest(): void {
    const [oldest = this.#growing, ...newer] = this.#complete;
    if (oldest === this.#growing) this.#growing = undefined;
    this.#complete = newer;
    try {
      oldest?.remove();
    } catch {
      // What was just written is in the journal, so this is no failed write.
    }
  }
}
