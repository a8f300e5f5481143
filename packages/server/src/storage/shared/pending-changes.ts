import type { Attempt } from '../../subscriptions/state/ports.ts';
import type { StoreChange } from '../../subscriptions/state/subscription-store.ts';
import { CoalescedChanges } from './coalesced-changes.ts';
import type { StoredOpenEvents } from './stored-open-events.ts';

/** Changes that are written in one transaction, with callbacks for its outcome. */
export interface CommitGroup {
  readonly changes: readonly StoreChange[];
  /** A caller waits for it. */
  readonly isAwaited: boolean;
  settle(): void;
  /**
   * Nothing of it was written. Its coalesced changes wait again, before newer ones. Its awaited
   * writes are rejected.
   */
  fail(error: unknown): void;
}

interface AwaitedWrite {
  readonly changes: readonly StoreChange[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The changes that wait for the disk, in order: coalesced changes, and awaited writes between them.
 */
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

  /** The estimated number of rows. */
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
    // Later changes are written after this one. They have to know which open events may be in the
    // file then.
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
