import type { PolycastError } from '@polycast/protocol';
import type { Position } from '../../core/ports.ts';

/** Operations of workers on pull subscriptions (PROTOCOL.md section 14.6). */
export interface PullService {
  /**
   * Returns up to `countMax` events, each with a lease. Waits for the first event until the signal,
   * and at most `waitMs` (Infinity: without a limit). May return none.
   * @throws PolycastError `not_found`, `subscription_not_active`, also while it waits
   */
  pull(subscription: string, options: PullOptions, signal: CancelSignal): Promise<readonly LeasedEvent[]>;
  /**
   * Calls `onClosed`, once or more often, when pulling is no longer possible. The error is
   * `not_found` or `subscription_not_active`. Returns a function that ends the watch.
   * @throws PolycastError `not_found`, `subscription_not_active`
   */
  watch(subscription: string, onClosed: (error: PolycastError) => void): () => void;
  /** Acknowledges leases. Returns the outcome of each one. */
  acknowledge(subscription: string, leases: readonly string[]): readonly LeaseOutcome[];
  /** Acknowledges every leased event through a position, of any worker. Returns their number. */
  acknowledgeThrough(subscription: string, position: Position): number;
  release(subscription: string, leases: readonly string[], delayMs: number): readonly LeaseOutcome[];
  /**
   * Returns events that never reached a worker. They are handed out again immediately, and the
   * delivery does not count.
   */
  returnUndelivered(subscription: string, leases: readonly string[]): void;
  extend(subscription: string, leases: readonly string[], leaseMs: number): readonly LeaseOutcome[];
}

/** The part of `AbortSignal` that is needed here. */
export interface CancelSignal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface PullOptions {
  /** Read again whenever events arrive: a waiting worker may change the number. */
  readonly countMax: number;
  /** Bytes of bodies; one event is always returned. */
  readonly bytesMax: number;
  readonly waitMs: number;
  readonly leaseMs: number | undefined;
}

export interface LeasedEvent {
  readonly lease: string;
  readonly position: Position;
  /** The event's JSON from after its `id` to its end, as in `StoredRecord`. */
  readonly body: Uint8Array;
  /** The trace context of the publisher, as in `StoredRecord`. */
  readonly trace?: string | undefined;
  /** Number of this delivery; 1 for the first. */
  readonly delivery: number;
  readonly leaseEndsMs: number;
}

/** `not_held`: the lease has ended, was released, or never existed. */
export type LeaseOutcome = 'ok' | 'not_held';
