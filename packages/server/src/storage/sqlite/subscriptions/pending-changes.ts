import type { Attempt, StoreChange } from '../../../subscriptions/state/ports.ts';
import { CoalescedChanges } from './coalesced-changes.ts';
import type { StoredOpenEvents } from './stored-open-events.ts';

/** Changes that are written together, and what is done when that has, or has not, come to pass. */
export interface CommitGroup {
  readonly changes: readonly StoreChange[];
  /** Somebody waits for it. */
  readonly isAwaited: boolean;
  settle(): void;
  /** Nothing of it was written: what was noted waits again, before what came since. */
  fail(error: unknown): void;
}

interface AwaitedWrite {
  readonly changes: readonly StoreChange[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What waits to be written, in its order: notes, of which only the last word counts, and between them what is awaited. */
export class PendingChanges {
  readonly #storedOpenEvents: StoredOpenEvents;
  #parts: (CoalescedChanges | AwaitedWrite)[] = [];

  constructor(storedOpenEvents: StoredOpenEvents) {
    this.#storedOpenEvents = storedOpenEvents;
  }

  get isEmpty(): boolean {
    return this.#parts.every((part) => part instanceof CoalescedChanges && part.isEmpty);
  }

  get isAwaited(): boolean {
    return this.#parts.some((part) => !(part instanceof CoalescedChanges));
  }

  /** About how many rows. */
  get size(): number {
    let size = 0;
    for (const part of this.#parts) size += part instanceof CoalescedChanges ? part.size : part.changes.length;
    return size;
  }

  writeSoon(changes: readonly StoreChange[], keepsAttempt: (attempt: Attempt) => boolean): void {
    const coalesced = this.#lastCoalesced();
    for (const change of changes) if (change.kind !== 'attempt' || keepsAttempt(change.attempt)) coalesced.put(change);
  }

  write(changes: readonly StoreChange[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // What is noted after this is written after this: it must know what may be there by then.
    const last = this.#parts.at(-1);
    if (last instanceof CoalescedChanges) this.#storedOpenEvents.onSent(last.changes());
    this.#storedOpenEvents.onSent(changes);
    this.#parts.push({ changes, resolve, reject });
    return promise;
  }

  take(): CommitGroup {
    const parts = this.#parts;
    this.#parts = [];
    const changes = parts.flatMap((part) => (part instanceof CoalescedChanges ? [...part.changes()] : part.changes));
    this.#storedOpenEvents.onSent(changes);
    const writes = parts.filter((part): part is AwaitedWrite => !(part instanceof CoalescedChanges));
    return {
      changes,
      isAwaited: writes.length > 0,
      settle: () => {
        this.#storedOpenEvents.onWritten(changes);
        for (const { resolve } of writes) resolve();
      },
      fail: (error) => {
        this.#putBack(parts);
        for (const { reject } of writes) reject(error);
      },
    };
  }

  #lastCoalesced(): CoalescedChanges {
    const last = this.#parts.at(-1);
    if (last instanceof CoalescedChanges) return last;
    const coalesced = new CoalescedChanges(this.#storedOpenEvents.has);
    this.#parts.push(coalesced);
    return coalesced;
  }

  #putBack(parts: readonly (CoalescedChanges | AwaitedWrite)[]): void {
    const newerParts = this.#parts;
    this.#parts = [];
    const coalesced = this.#lastCoalesced();
    for (const part of parts)
      if (part instanceof CoalescedChanges) for (const change of part.changes()) coalesced.put(change);
    for (const part of newerParts) {
      if (!(part instanceof CoalescedChanges)) this.#parts.push(part);
      else for (const change of part.changes()) this.#lastCoalesced().put(change);
    }
  }
}
