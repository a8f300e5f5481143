import type { StatusReason, SubscriptionState } from './definition.ts';

/**
 * An input of the lifecycle: an event that may change a subscription's state (PROTOCOL.md section
 * 14.2).
 *
 * Example: an `active` subscription that gets the input `pause` becomes `paused`.
 */
export type LifecycleInput =
  /** The endpoint has passed or failed its verification. */
  | 'verified'
  | 'refused'
  /** The delivery has another URL, and that endpoint is not verified. */
  | 'moved'
  /** Requests of a client. */
  | 'pause'
  | 'resume'
  | 'test'
  | 'remove'
  /** Every delivery has failed for longer than the limit; a later probe has succeeded. */
  | 'all_failing'
  | 'probe_succeeded'
  /** The endpoint answered 410: it wants no more requests. */
  | 'gone'
  /** The time in `endsMs` has come. */
  | 'lease_over';

/**
 * The next state and its reason, or one of these: `no_change`: the state stays, and the request
 * succeeds. `verify`: the state stays, and the endpoint is verified now; the result is another
 * input. `conflict`: the request is not possible in this state (`subscription_not_active`).
 */
export type LifecycleStep =
  | { readonly state: SubscriptionState; readonly reason: StatusReason }
  | 'no_change'
  | 'verify'
  | 'conflict';

/** Inputs with the same step from every state but `ended`. */
const FROM_ANY_STATE = {
  remove: { state: 'ended', reason: 'removed' },
  gone: { state: 'ended', reason: 'gone' },
  lease_over: { state: 'ended', reason: 'lease_over' },
  moved: { state: 'pending', reason: 'moved' },
} as const;

/** Every state with every input; a missing cell does not compile. */
const TRANSITIONS: Readonly<Record<SubscriptionState, Readonly<Record<LifecycleInput, LifecycleStep>>>> = {
  pending: {
    ...FROM_ANY_STATE,
    verified: { state: 'active', reason: 'verified' },
    refused: { state: 'ended', reason: 'refused' },
    pause: 'conflict',
    resume: 'verify',
    // An endpoint receives no request of another person's choice before it is verified (14.5).
    test: 'conflict',
    all_failing: 'no_change',
    probe_succeeded: 'no_change',
  },
  active: {
    ...FROM_ANY_STATE,
    verified: 'no_change',
    refused: 'no_change',
    pause: { state: 'paused', reason: 'paused' },
    resume: 'no_change',
    test: 'no_change',
    all_failing: { state: 'suspended', reason: 'failing' },
    probe_succeeded: 'no_change',
  },
  paused: {
    ...FROM_ANY_STATE,
    verified: 'no_change',
    refused: 'no_change',
    pause: 'no_change',
    resume: { state: 'active', reason: 'resumed' },
    test: 'no_change',
    all_failing: 'no_change',
    probe_succeeded: 'no_change',
  },
  suspended: {
    ...FROM_ANY_STATE,
    verified: 'no_change',
    refused: 'no_change',
    pause: { state: 'paused', reason: 'paused' },
    resume: { state: 'active', reason: 'resumed' },
    test: 'no_change',
    all_failing: 'no_change',
    probe_succeeded: { state: 'active', reason: 'healed' },
  },
  ended: {
    verified: 'no_change',
    refused: 'no_change',
    moved: 'conflict',
    pause: 'conflict',
    resume: 'conflict',
    test: 'conflict',
    remove: 'no_change',
    all_failing: 'no_change',
    probe_succeeded: 'no_change',
    gone: 'no_change',
    lease_over: 'no_change',
  },
};

export function transition(state: SubscriptionState, input: LifecycleInput): LifecycleStep {
  return TRANSITIONS[state][input];
}
