import type { Position } from '../../core/ports.ts';
import type { OpenEvent, SubscriptionDefinition, SubscriptionStatus } from './definition.ts';
import type { Attempt, DeadLetter, DeadLettersQuery, EventPosition, Replay, Subscription } from './ports.ts';

/**
 * The store of subscriptions, beside the log. It ignores a change to a subscription that was
 * removed or never existed.
 *
 * - Atomic: the changes of one `write` or `enqueue`. All calls keep their order.
 * - Durable: `write` when it resolves, `enqueue` within about a second. A crash may take enqueued
 *   changes back, and their events are delivered again.
 * - Eventual: attempts, and the lag that other hubs see, in a home that several hubs share.
 * - Owner: exactly one hub writes the status, open events, replays, dead letters and attempts of a
 *   subscription. Any hub may write its definition or remove it. A shared home must ignore changes
 *   of a hub whose ownership has ended.
 *
 * Implementations: see `storage/homes.ts`. One contract suite in `storage/contract` tests them all.
 */
export interface SubscriptionStore {
  /**
   * Why the store cannot write at present; `undefined` when it can. Queued changes stay and are
   * retried.
   */
  readonly unavailable: 'log_unavailable' | 'log_full' | undefined;
  /**
   * True while too many changes wait for the disk, and while another hub of a cluster may work on
   * subscriptions. No event is taken up, and no request begins, until it is false again.
   */
  readonly isOverloaded: boolean;
  /** Read once, before the first write. The store keeps no copy of the subscriptions. */
  load(): StoredSubscriptions;
  /**
   * Whether the store would keep an attempt. It samples successes when there are thousands in a
   * second. The caller need not build an attempt that would be dropped.
   */
  keepsAttempt(subscription: string, isDelivered: boolean): boolean;
  /**
   * Writes all changes or none, durably, together with other changes of about the same time. The
   * order of the calls is preserved, also between `write` and `enqueue`. Without changes it
   * resolves once the changes of all earlier calls of `enqueue` are durable.
   */
  write(changes: readonly StoreChange[]): Promise<void>;
  /**
   * Like `write`, without waiting: soon, in order, all changes of one call together. A failure is
   * reported once to `onTrouble` (an option at opening). Failed changes stay queued and are
   * retried; attempts are dropped first.
   */
  enqueue(changes: readonly StoreChange[]): void;
  /** The newest first. */
  attempts(query: AttemptsQuery): Promise<readonly Attempt[]>;
  /** In the order of their ids: those of the oldest log first. */
  deadLetters(subscription: string, query: DeadLettersQuery): Promise<readonly DeadLetter[]>;
  /**
   * Deletes attempts that may hold an erased event: an attempt stores the answer of an endpoint,
   * which may repeat what was sent. No file has a byte of them when it resolves.
   */
  eraseAttempts(query: ErasedAttempts): Promise<void>;
  /** Bytes, commits and changes since opening. */
  metrics(): Readonly<Record<string, number>>;
  /** Writes the remaining changes, then closes. */
  close(): Promise<void>;
}

/** Selects attempts with numbers below `before`. */
export interface AttemptsQuery {
  readonly subscription?: string;
  /** Only attempts of this event, alone or in a batch. */
  readonly event?: EventPosition;
  readonly before: number;
  readonly limit: number;
}

/** The attempts of these events of one log, and all attempts that hold one of the texts. */
export interface ErasedAttempts {
  readonly epoch: string;
  readonly positions: readonly Position[];
  readonly texts: readonly string[];
}

/** The stored state at opening. */
export interface StoredSubscriptions {
  /** In the order of their ids. */
  readonly subscriptions: readonly StoredSubscription[];
  /** Epoch of the log that the stored positions are of; `undefined` in a new store. */
  readonly epoch: string | undefined;
  /** Highest stored attempt number. The next attempt gets the number after it. */
  readonly lastAttempt: number;
  /** Acknowledged changes are missing: subscriptions have an older state. */
  readonly hasLostCommits: boolean;
}

export interface StoredSubscription extends Subscription {
  readonly open: readonly OpenEvent[];
  readonly deadLetters: number;
  /** The replays that are not done. */
  readonly replays: readonly Replay[];
}

export type StoreChange =
  | { readonly kind: 'definition'; readonly definition: SubscriptionDefinition }
  | { readonly kind: 'status'; readonly subscription: string; readonly status: SubscriptionStatus }
  | { readonly kind: 'removed'; readonly subscription: string }
  | { readonly kind: 'open'; readonly subscription: string; readonly event: OpenEvent }
  | { readonly kind: 'closed'; readonly subscription: string; readonly position: Position }
  | { readonly kind: 'replay'; readonly subscription: string; readonly replay: Replay }
  | { readonly kind: 'replay_gone'; readonly subscription: string; readonly id: string }
  | { readonly kind: 'attempt'; readonly attempt: Attempt }
  | { readonly kind: 'dead_letter'; readonly deadLetter: DeadLetter }
  | {
      readonly kind: 'dead_letter_gone';
      readonly subscription: string;
      readonly epoch: string;
      readonly position: Position;
    }
  /** Positions of later changes are of this log. */
  | { readonly kind: 'epoch'; readonly epoch: string };
