import { encodeCursor } from '@polycast/protocol';
import type { OpenEvent, SubscriptionDefinition, SubscriptionStatus } from '../../../subscriptions/state/definition.ts';
import type { Attempt, EventPosition, Replay, StoreChange } from '../../../subscriptions/state/ports.ts';
import type { Position } from '../../../core/ports.ts';

/** Attempts that wait for the disk, at most. */
const ATTEMPTS_WAITING_MAX = 1000;

/**
 * What is to be written, as little of it as it takes: of everything the last word, and nothing at all of an event that was taken up
 * and finished in between. So a disk that takes nothing for a while costs as much as there is to know, not as what has happened.
 */
export class CoalescedChanges {
  readonly #subscriptions = new Map<string, SubscriptionChanges>();
  readonly #isOnDisk: (subscription: string, position: Position) => boolean;
  #delivered: Attempt[] = [];
  #failed: Attempt[] = [];
  #epoch: string | undefined;
  #size = 0;

  /** @param isOnDisk whether an open event may stand in the file: only then its end has to be written */
  constructor(isOnDisk: (subscription: string, position: Position) => boolean) {
    this.#isOnDisk = isOnDisk;
  }

  /** About how many rows it will be, without attempts. */
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
        return void (this.#changesOf(change.subscription).standing = change.status);
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

  /** All of it, as changes. */
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

  /** What comes after this is nothing any more, and what was before need not be written. */
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

  /** The newest; at the bound failures are kept rather. */
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
  standing?: SubscriptionStatus;
  /** `undefined`: it is no more. */
  readonly open: Map<Position, OpenEvent | undefined>;
  readonly replays: Map<string, Replay | undefined>;
  /** By their events' ids: what became of each. */
  readonly deadLetters: Map<string, StoreChange>;
}

function* changesOf(subscription: string, changes: SubscriptionChanges): Generator<StoreChange> {
  if (changes.isRemoved) return yield { kind: 'removed', subscription };
  const { definition, standing, open, replays, deadLetters } = changes;
  if (definition !== undefined) yield { kind: 'definition', definition };
  if (standing !== undefined) yield { kind: 'status', subscription, status: standing };
  for (const [position, event] of open)
    yield event === undefined ? { kind: 'closed', subscription, position } : { kind: 'open', subscription, event };
  for (const [id, replay] of replays)
    yield replay === undefined ? { kind: 'replay_gone', subscription, id } : { kind: 'replay', subscription, replay };
  yield* deadLetters.values();
}
