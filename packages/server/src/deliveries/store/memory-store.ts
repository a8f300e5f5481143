import { encodeCursor } from '@polycast/protocol';
import type { Position } from '../../core/ports.ts';
import type { OpenEvent, SubscriptionDefinition, SubscriptionStanding } from '../../core/subscription/definition.ts';
import type {
  Attempt,
  DeadLetter,
  DeadLettersQuery,
  EventPlace,
  Replay,
  StoreChange,
  StoredSubscription,
  SubscriptionStore,
} from '../../core/subscription/ports.ts';
import { AttemptSamples } from './attempt-samples.ts';
import { ATTEMPT_BOUNDS, keptOf, SLACK, type AttemptBounds } from './bounds.ts';

/** What a memory home holds: given to another one, it begins where this one stood. */
export interface MemoryState {
  epoch: string | undefined;
  readonly kept: Map<string, Kept>;
}

interface Kept {
  definition: SubscriptionDefinition;
  standing: SubscriptionStanding | undefined;
  readonly open: Map<Position, OpenEvent>;
  readonly replays: Map<string, Replay>;
  /** By their events' ids. */
  readonly deadLetters: Map<string, DeadLetter>;
  readonly delivered: Attempt[];
  readonly failed: Attempt[];
}

export function memoryState(): MemoryState {
  return { epoch: undefined, kept: new Map() };
}

/** A home without a disk: for `data: ':memory:'`, and for tests. */
export function createMemorySubscriptionStore(
  state: MemoryState = memoryState(),
  bounds: AttemptBounds = ATTEMPT_BOUNDS,
): SubscriptionStore {
  return new MemorySubscriptionStore(state, bounds);
}

class MemorySubscriptionStore implements SubscriptionStore {
  readonly epoch: string | undefined;
  readonly lastAttempt: number;
  readonly hasLostCommits = false;
  readonly unavailable = undefined;
  readonly isBehind = false;
  readonly #state: MemoryState;
  readonly #bounds: AttemptBounds;
  readonly #samples = new AttemptSamples(() => performance.now());
  readonly #loaded: StoredSubscription[];
  #changes = 0;

  constructor(state: MemoryState, bounds: AttemptBounds) {
    this.#state = state;
    this.#bounds = bounds;
    this.epoch = state.epoch;
    this.lastAttempt = Math.max(0, ...this.#attempts().map(({ number }) => number));
    this.#loaded = [...state.kept.values()]
      .map(storedOf)
      .toSorted((one, other) => (one.definition.id < other.definition.id ? -1 : 1));
  }

  load(): Iterable<StoredSubscription> {
    return this.#loaded.splice(0);
  }

  keepsAttempt(subscription: string, isDelivered: boolean): boolean {
    return this.#samples.wants(subscription, isDelivered);
  }

  async write(changes: readonly StoreChange[]): Promise<void> {
    for (const change of changes) this.#apply(change);
  }

  note(changes: readonly StoreChange[]): void {
    for (const change of changes) {
      const isLeftOut =
        change.kind === 'attempt' &&
        !this.#samples.takes(change.attempt.subscription, change.attempt.outcome === 'delivered');
      if (!isLeftOut) this.#apply(change);
    }
  }

  async attempts(query: Parameters<SubscriptionStore['attempts']>[0]): Promise<readonly Attempt[]> {
    const { subscription, event, before, limit } = query;
    return this.#attempts(subscription)
      .filter((attempt) => attempt.number < before && (event === undefined || isOf(attempt, event)))
      .toSorted((one, other) => other.number - one.number)
      .slice(0, limit);
  }

  async deadLetters(subscription: string, { after, limit }: DeadLettersQuery): Promise<readonly DeadLetter[]> {
    return [...(this.#state.kept.get(subscription)?.deadLetters.values() ?? [])]
      .filter((letter) => after === undefined || inOrder(after, letter) < 0)
      .toSorted(inOrder)
      .slice(0, limit);
  }

  figures(): Readonly<Record<string, number>> {
    return { changes: this.#changes };
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  #attempts(subscription?: string): Attempt[] {
    const kept = subscription === undefined ? [...this.#state.kept.values()] : [this.#state.kept.get(subscription)];
    return kept.flatMap((one) => (one === undefined ? [] : [...one.delivered, ...one.failed]));
  }

  #apply(change: StoreChange): void {
    this.#changes++;
    if (change.kind === 'epoch') return void (this.#state.epoch = change.epoch);
    if (change.kind === 'definition') return this.#define(change.definition);
    const kept = this.#state.kept.get(subscriptionOf(change));
    if (kept === undefined) return;
    switch (change.kind) {
      case 'standing':
        return void (kept.standing = change.standing);
      case 'open':
        return void kept.open.set(change.event.position, change.event);
      case 'closed':
        return void kept.open.delete(change.position);
      case 'replay':
        return void kept.replays.set(change.replay.id, change.replay);
      case 'replay_gone':
        return void kept.replays.delete(change.id);
      case 'dead_letter':
        return void kept.deadLetters.set(idOf(change.deadLetter), change.deadLetter);
      case 'dead_letter_gone':
        return void kept.deadLetters.delete(idOf(change));
      case 'attempt':
        return this.#attempt(kept, change.attempt);
      case 'removed':
        return void this.#state.kept.delete(change.subscription);
    }
  }

  #define(definition: SubscriptionDefinition): void {
    const kept = this.#state.kept.get(definition.id);
    if (kept !== undefined) return void (kept.definition = definition);
    this.#state.kept.set(definition.id, {
      definition,
      standing: undefined,
      open: new Map(),
      replays: new Map(),
      deadLetters: new Map(),
      delivered: [],
      failed: [],
    });
  }

  #attempt(kept: Kept, attempt: Attempt): void {
    const isDelivered = attempt.outcome === 'delivered';
    const list = isDelivered ? kept.delivered : kept.failed;
    const max = keptOf(this.#bounds, isDelivered);
    list.push(attempt);
    if (list.length > max * SLACK) list.splice(0, list.length - max);
  }
}

function isOf({ epoch, position, others }: Attempt, event: EventPlace): boolean {
  return epoch === event.epoch && (position === event.position || others.includes(event.position));
}

function idOf({ epoch, position }: EventPlace): string {
  return encodeCursor(epoch, position);
}

function inOrder(one: EventPlace, other: EventPlace): number {
  if (one.epoch !== other.epoch) return one.epoch < other.epoch ? -1 : 1;
  return one.position - other.position;
}

function subscriptionOf(change: Exclude<StoreChange, { kind: 'epoch' | 'definition' }>): string {
  if (change.kind === 'attempt') return change.attempt.subscription;
  return change.kind === 'dead_letter' ? change.deadLetter.subscription : change.subscription;
}

function storedOf({ definition, standing, open, replays, deadLetters }: Kept): StoredSubscription {
  return {
    definition,
    standing: standing as SubscriptionStanding,
    open: [...open.values()].toSorted((one, other) => one.position - other.position),
    replays: [...replays.values()]
      .filter(({ isDone }) => !isDone)
      .toSorted((one, other) => (one.id < other.id ? -1 : 1)),
    deadLetters: deadLetters.size,
  };
}
