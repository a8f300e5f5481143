import { encodeCursor } from '@polycast/protocol';
import type { OpenEvent, SubscriptionDefinition, SubscriptionStatus } from '../../subscriptions/state/definition.ts';
import type { Attempt, EventPosition, Replay } from '../../subscriptions/state/ports.ts';
import type { StoreChange } from '../../subscriptions/state/subscription-store.ts';
import type { Position } from '../../core/ports.ts';

/** Attempts that may wait for the disk. */
const ATTEMPTS_WAITING_MAX = 1000;

/**
 * Coalesced changes: of the changes that wait for the disk, only the last one of each row is
 * written. An event that was opened and closed in between is not written at all. So during a disk
 * failure the memory grows with the rows, not with the number of changes.
 *
 * Example: an event that is tried three times while the disk is busy is written once.
 */
export class CoalescedChanges {
  readonly #subscriptions = new Map<string, SubscriptionChanges>();
  readonly #isOnDisk: (subscription: string, position: Position) => boolean;
  #delivered: Attempt[] = [];
  #failed: Attempt[] = [];
  #epoch: string | undefined;
  #size = 0;

  /**
   * @param isOnDisk whether an open event may be in the file. Only then its closing has to be
   * written
   */
  constructor(isOnDisk: (subscription: string, position: Position) => boolean) {
    this.#isOnDisk = isOnDisk;
  }

  /** The estimated number of rows, without attempts. */
  get size(): number {
    return this.#size;
  }

  get isEmpty(): boolean {
    return (
      this.#subscriptions.size === 0 &&
      this.#epoch === undefined &&
      this.#delivered.length === 0 &&
      this.#failed.length === 0
    );
  }

  put(change: StoreChange): void {
    switch (change.kind) {
      case 'epoch':
        return void (this.#epoch = change.epoch);
      case 'attempt':
        return this.#attempt(change.attempt);
      case 'definition':
        return void (this.#changesOf(change.definition.id).definition = change.definition);
      case 'status':
        return void (this.#changesOf(change.subscription).status = change.status);
      case 'removed':
        return this.#remove(change.subscription);
      case 'open':
        return this.#set(this.#changesOf(change.subscription).open, change.event.position, change.event);
      case 'closed':
        return this.#close(change.subscription, change.position);
      case 'replay':
        return this.#set(this.#changesOf(change.subscription).replays, change.replay.id, change.replay);
      case 'replay_gone':
        return this.#set(this.#changesOf(change.subscription).replays, change.id, undefined);
      case 'dead_letter':
        return this.#deadLetter(change.deadLetter, change);
      case 'dead_letter_gone':
        return this.#deadLetter(change, change);
    }
  }

  /** Yields the coalesced changes. */
  *changes(): Generator<StoreChange> {
    if (this.#epoch !== undefined) yield { kind: 'epoch', epoch: this.#epoch };
    for (const [subscription, changes] of this.#subscriptions) yield* changesOf(subscription, changes);
    for (const attempt of this.#delivered) yield { kind: 'attempt', attempt };
    for (const attempt of this.#failed) yield { kind: 'attempt', attempt };
  }

  #changesOf(subscription: string): SubscriptionChanges {
    let changes = this.#subscriptions.get(subscription);
    if (changes === undefined) {
      changes = { isRemoved: false, open: new Map(), replays: new Map(), deadLetters: new Map() };
      this.#subscriptions.set(subscription, changes);
      this.#size++;
    }
    return changes;
  }

  #deadLetter(
    { subscription, epoch, position }: EventPosition & { readonly subscription: string },
    change: StoreChange,
  ): void {
    this.#set(this.#changesOf(subscription).deadLetters, encodeCursor(epoch, position), change);
  }

  #set<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
    if (!map.has(key)) this.#size++;
    map.set(key, value);
  }

  #close(subscription: string, position: Position): void {
    const { open } = this.#changesOf(subscription);
    if (this.#isOnDisk(subscription, position)) this.#set(open, position, undefined);
    else if (open.delete(position)) this.#size--;
  }

  /**
   * Replaces all pending changes of the subscription by its removal. Later changes have no effect.
   */
  #remove(subscription: string): void {
    const changes = this.#changesOf(subscription);
    this.#size -= changes.open.size + changes.replays.size + changes.deadLetters.size;
    this.#subscriptions.set(subscription, {
      isRemoved: true,
      open: new Map(),
      replays: new Map(),
      deadLetters: new Map(),
    });
  }

  /**
   * Adds an attempt. At the bound the oldest delivered attempt is dropped, or the oldest failed one
   * when there is no other.
   */
  #attempt(attempt: Attempt): void {
    (attempt.outcome === 'delivered' ? this.#delivered : this.#failed).push(attempt);
    if (this.#delivered.length + this.#failed.length <= ATTEMPTS_WAITING_MAX) return;
    if (this.#delivered.length > 0) this.#delivered.shift();
    else this.#failed.shift();
  }
}

interface SubscriptionChanges {
  readonly isRemoved: boolean;
  definition?: SubscriptionDefinition;
  status?: SubscriptionStatus;
  /** `undefined` for an event that is closed. */
  readonly open: Map<Position, OpenEvent | undefined>;
  readonly replays: Map<string, Replay | undefined>;
  /** By the id of the event: the last change of each dead letter. */
  readonly deadLetters: Map<string, StoreChange>;
}

function* changesOf(subscription: string, changes: SubscriptionChanges): Generator<StoreChange> {
  if (changes.isRemoved) return yield { kind: 'removed', subscription };
  const { definition, status, open, replays, deadLetters } = changes;
  if (definition !== undefined) yield { kind: 'definition', definition };
  if (status !== undefined) yield { kind: 'status', subscription, status: status };
  for (const [position, event] of open)
    yield event === undefined ? { kind: 'closed', subscription, position } : { kind: 'open', subscription, event };
  for (const [id, replay] of replays)
    yield replay === undefined ? { kind: 'replay_gone', subscription, id } : { kind: 'replay', subscription, replay };
  yield* deadLetters.values();
}
