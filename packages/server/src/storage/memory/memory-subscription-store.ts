import { encodeCursor } from '@polycast/protocol';
import type { Position } from '../../core/ports.ts';
import type { OpenEvent, SubscriptionDefinition, SubscriptionStatus } from '../../subscriptions/state/definition.ts';
import type { Attempt, DeadLetter, DeadLettersQuery, EventPosition, Replay } from '../../subscriptions/state/ports.ts';
import type {
  AttemptsQuery,
  ErasedAttempts,
  StoreChange,
  StoredSubscription,
  StoredSubscriptions,
  SubscriptionStore,
} from '../../subscriptions/state/subscription-store.ts';
import { AttemptSampler } from '../shared/attempt-sampler.ts';
import { ATTEMPT_BOUNDS, keptMaxOf, PRUNE_SLACK, type AttemptBounds } from '../shared/attempt-bounds.ts';

/**
 * The data of a store in memory. Another store with the same data continues where this one ended.
 */
export interface MemoryState {
  epoch: string | undefined;
  readonly subscriptions: Map<string, MemorySubscription>;
}

interface MemorySubscription {
  definition: SubscriptionDefinition;
  status: SubscriptionStatus | undefined;
  readonly open: Map<Position, OpenEvent>;
  readonly replays: Map<string, Replay>;
  /** By the ids of their events. */
  readonly deadLetters: Map<string, DeadLetter>;
  readonly delivered: Attempt[];
  readonly failed: Attempt[];
}

export function createMemoryState(): MemoryState {
  return { epoch: undefined, subscriptions: new Map() };
}

/** A subscription store without a disk. */
export function createMemorySubscriptionStore(
  state: MemoryState = createMemoryState(),
  bounds: AttemptBounds = ATTEMPT_BOUNDS,
): SubscriptionStore {
  return new MemorySubscriptionStore(state, bounds);
}

class MemorySubscriptionStore implements SubscriptionStore {
  readonly unavailable = undefined;
  readonly isOverloaded = false;
  readonly #state: MemoryState;
  readonly #bounds: AttemptBounds;
  readonly #sampler = new AttemptSampler(() => performance.now());
  #changes = 0;

  constructor(state: MemoryState, bounds: AttemptBounds) {
    this.#state = state;
    this.#bounds = bounds;
  }

  load(): StoredSubscriptions {
    return {
      subscriptions: [...this.#state.subscriptions.values()]
        .map(storedOf)
        .toSorted((one, other) => (one.definition.id < other.definition.id ? -1 : 1)),
      epoch: this.#state.epoch,
      lastAttempt: Math.max(0, ...this.#attempts().map(({ number }) => number)),
      hasLostCommits: false,
    };
  }

  keepsAttempt(subscription: string, isDelivered: boolean): boolean {
    return this.#sampler.wouldKeep(subscription, isDelivered);
  }

  async write(changes: readonly StoreChange[]): Promise<void> {
    for (const change of changes) this.#apply(change);
  }

  enqueue(changes: readonly StoreChange[]): void {
    for (const change of changes) {
      const isLeftOut =
        change.kind === 'attempt' &&
        !this.#sampler.keep(change.attempt.subscription, change.attempt.outcome === 'delivered');
      if (!isLeftOut) this.#apply(change);
    }
  }

  async attempts({ subscription, event, before, limit }: AttemptsQuery): Promise<readonly Attempt[]> {
    return this.#attempts(subscription)
      .filter((attempt) => attempt.number < before && (event === undefined || isAttemptOf(attempt, event)))
      .toSorted((one, other) => other.number - one.number)
      .slice(0, limit);
  }

  async deadLetters(subscription: string, { after, limit }: DeadLettersQuery): Promise<readonly DeadLetter[]> {
    return [...(this.#state.subscriptions.get(subscription)?.deadLetters.values() ?? [])]
      .filter((deadLetter) => after === undefined || compareEvents(after, deadLetter) < 0)
      .toSorted(compareEvents)
      .slice(0, limit);
  }

  async eraseAttempts({ epoch, positions, texts }: ErasedAttempts): Promise<void> {
    const isErased = (attempt: Attempt): boolean =>
      positions.some((position) => isAttemptOf(attempt, { epoch, position })) ||
      texts.some((text) => JSON.stringify(attempt).includes(text));
    for (const subscription of this.#state.subscriptions.values())
      for (const attempts of [subscription.delivered, subscription.failed])
        attempts.splice(0, Infinity, ...attempts.filter((attempt) => !isErased(attempt)));
  }

  metrics(): Readonly<Record<string, number>> {
    return { changes: this.#changes };
  }

  async close(): Promise<void> {
    // A store in memory has nothing to close.
  }

  #attempts(subscription?: string): Attempt[] {
    const subscriptions =
      subscription === undefined
        ? [...this.#state.subscriptions.values()]
        : [this.#state.subscriptions.get(subscription)];
    return subscriptions.flatMap((stored) => (stored === undefined ? [] : [...stored.delivered, ...stored.failed]));
  }

  #apply(change: StoreChange): void {
    this.#changes++;
    if (change.kind === 'epoch') return void (this.#state.epoch = change.epoch);
    if (change.kind === 'definition') return this.#define(change.definition);
    const subscription = this.#state.subscriptions.get(subscriptionOf(change));
    if (subscription === undefined) return;
    switch (change.kind) {
      case 'status':
        return void (subscription.status = change.status);
      case 'open':
        return void subscription.open.set(change.event.position, change.event);
      case 'closed':
        return void subscription.open.delete(change.position);
      case 'replay':
        return void subscription.replays.set(change.replay.id, change.replay);
      case 'replay_gone':
        return void subscription.replays.delete(change.id);
      case 'dead_letter':
        return void subscription.deadLetters.set(idOf(change.deadLetter), change.deadLetter);
      case 'dead_letter_gone':
        return void subscription.deadLetters.delete(idOf(change));
      case 'attempt':
        return this.#attempt(subscription, change.attempt);
      case 'removed':
        return void this.#state.subscriptions.delete(change.subscription);
    }
  }

  #define(definition: SubscriptionDefinition): void {
    const subscription = this.#state.subscriptions.get(definition.id);
    if (subscription !== undefined) return void (subscription.definition = definition);
    this.#state.subscriptions.set(definition.id, {
      definition,
      status: undefined,
      open: new Map(),
      replays: new Map(),
      deadLetters: new Map(),
      delivered: [],
      failed: [],
    });
  }

  #attempt(subscription: MemorySubscription, attempt: Attempt): void {
    const isDelivered = attempt.outcome === 'delivered';
    const list = isDelivered ? subscription.delivered : subscription.failed;
    const max = keptMaxOf(this.#bounds, isDelivered);
    list.push(attempt);
    if (list.length > max * PRUNE_SLACK) list.splice(0, list.length - max);
  }
}

function isAttemptOf({ epoch, position, others }: Attempt, event: EventPosition): boolean {
  return epoch === event.epoch && (position === event.position || others.includes(event.position));
}

function idOf({ epoch, position }: EventPosition): string {
  return encodeCursor(epoch, position);
}

function compareEvents(one: EventPosition, other: EventPosition): number {
  if (one.epoch !== other.epoch) return one.epoch < other.epoch ? -1 : 1;
  return one.position - other.position;
}

function subscriptionOf(change: Exclude<StoreChange, { kind: 'epoch' | 'definition' }>): string {
  if (change.kind === 'attempt') return change.attempt.subscription;
  return change.kind === 'dead_letter' ? change.deadLetter.subscription : change.subscription;
}

function storedOf({ definition, status, open, replays, deadLetters }: MemorySubscription): StoredSubscription {
  return {
    definition,
    status: status as SubscriptionStatus,
    open: [...open.values()].toSorted((one, other) => one.position - other.position),
    replays: [...replays.values()]
      .filter(({ isDone }) => !isDone)
      .toSorted((one, other) => (one.id < other.id ? -1 : 1)),
    deadLetters: deadLetters.size,
  };
}
