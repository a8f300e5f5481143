import type { DeadLettersQuery } from '../../../subscriptions/state/ports.ts';
import type {
  AttemptsQuery,
  ErasedAttempts,
  StoreChange,
  StoredSubscription,
  StoredSubscriptions,
} from '../../../subscriptions/state/subscription-store.ts';
import type { AttemptBounds } from '../../shared/attempt-bounds.ts';

/**
 * Options of the store's thread. This file defines the messages between the store and its thread.
 */
export interface StoreThreadOptions {
  readonly file: string;
  readonly bounds: AttemptBounds;
}

export type StoreRequest =
  | { readonly kind: 'open' }
  | { readonly kind: 'load'; readonly after: string; readonly limit: number }
  /** `isAwaited`: a caller waits until the changes are durable. */
  | { readonly kind: 'apply'; readonly changes: readonly StoreChange[]; readonly isAwaited: boolean }
  | { readonly kind: 'attempts'; readonly query: AttemptsQuery }
  | { readonly kind: 'dead_letters'; readonly subscription: string; readonly query: DeadLettersQuery }
  | { readonly kind: 'erase_attempts'; readonly query: ErasedAttempts }
  | { readonly kind: 'close' };

/** What the thread answers to `open`. The subscriptions follow in pages. */
export type OpenedStore = Omit<StoredSubscriptions, 'subscriptions'>;

export interface Applied {
  readonly databaseBytes: number;
  readonly walBytes: number;
  readonly attempts: number;
}

export type Loaded = readonly StoredSubscription[];
