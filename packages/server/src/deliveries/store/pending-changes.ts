import type { Attempt, StoreChange } from '../../core/subscription/ports.ts';
import { PendingNotes } from './pending-notes.ts';
import type { OpenOnDisk } from './open-on-disk.ts';

/** Changes that are written together, and what is done when that has, or has not, come to pass. */
export interface Group {
  readonly changes: readonly StoreChange[];
  /** Somebody waits for it. */
  readonly isAwaited: boolean;
  settle(): void;
  /** Nothing of it was written: what was noted waits again, before what came since. */
  fail(error: unknown): void;
}

interface Write {
  readonly changes: readonly StoreChange[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What waits to be written, in its order: notes, of which only the last word counts, and between them what is awaited. */
export class PendingChanges {
  readonly #onDisk: OpenOnDisk;
  #parts: (PendingNotes | Write)[] = [];

  constructor(onDisk: OpenOnDisk) {
    this.#onDisk = onDisk;
  }

  get isEmpty(): boolean {
    return this.#parts.every((part) => part instanceof PendingNotes && part.isEmpty);
  }

  get isAwaited(): boolean {
    return this.#parts.some((part) => !(part instanceof PendingNotes));
  }

  /** About how many rows. */
  get size(): number {
    let size = 0;
    for (const part of this.#parts) size += part instanceof PendingNotes ? part.size : part.changes.length;
    return size;
  }

  note(changes: readonly StoreChange[], takes: (attempt: Attempt) => boolean): void {
    const notes = this.#lastNotes();
    for (const change of changes) if (change.kind !== 'attempt' || takes(change.attempt)) notes.put(change);
  }

  write(changes: readonly StoreChange[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // What is noted after this is written after this: it must know what may be there by then.
    const last = this.#parts.at(-1);
    if (last instanceof PendingNotes) this.#onDisk.sent(last.changes());
    this.#onDisk.sent(changes);
    this.#parts.push({ changes, resolve, reject });
    return promise;
  }

  take(): Group {
    const parts = this.#parts;
    this.#parts = [];
    const changes = parts.flatMap((part) => (part instanceof PendingNotes ? [...part.changes()] : part.changes));
    this.#onDisk.sent(changes);
    const writes = parts.filter((part): part is Write => !(part instanceof PendingNotes));
    return {
      changes,
      isAwaited: writes.length > 0,
      settle: () => {
        this.#onDisk.written(changes);
        for (const { resolve } of writes) resolve();
      },
      fail: (error) => {
        this.#putBack(parts);
        for (const { reject } of writes) reject(error);
      },
    };
  }

  #lastNotes(): PendingNotes {
    const last = this.#parts.at(-1);
    if (last instanceof PendingNotes) return last;
    const notes = new PendingNotes(this.#onDisk.has);
    this.#parts.push(notes);
    return notes;
  }

  #putBack(parts: readonly (PendingNotes | Write)[]): void {
    const since = this.#parts;
    this.#parts = [];
    const notes = this.#lastNotes();
    for (const part of parts) if (part instanceof PendingNotes) for (const change of part.changes()) notes.put(change);
    for (const part of since) {
      if (!(part instanceof PendingNotes)) this.#parts.push(part);
      else for (const change of part.changes()) this.#lastNotes().put(change);
    }
  }
}
