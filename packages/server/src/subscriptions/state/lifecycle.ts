import type { SubscriptionState } from './definition.ts';

/** What happens to a subscription (PROTOCOL.md section 14.2). */
export type LifecycleInput =
  /** The endpoint has consented, or has not. */
  | 'verified'
  | 'refused'
  /** Its requests would go to another endpoint, which has not consented. */
  | 'moved'
  /** Somebody asks for it. */
  | 'pause'
  | 'resume'
  | 'test'
  | 'remove'
  /** Nothing but failures for as long as that is put up with; and a probe that went well afterwards. */
  | 'all_failing'
  | 'probe_succeeded'
  /** The endpoint wants no more (410). */
  | 'gone'
  /** Its time is over. */
  | 'lease_over';

/**
 * Where it goes and why. `stays`: nothing changes, and what was asked for is done. `asks`: nothing changes yet, but its endpoint is
 * asked now, whose answer is another input. `conflict`: that cannot be asked of it now (`subscription_not_active`).
 */
export type LifecycleStep =
  | { readonly state: SubscriptionState; readonly reason: StatusReason }
  | 'no_change'
  | 'verify'
  | 'conflict';

/** The `reason` of a state, on the wire. */
export type StatusReason =
  | 'created'
  | 'verified'
  | 'refused'
  | 'moved'
  | 'paused'
  | 'resumed'
  | 'failing'
  | 'healed'
  | 'gone'
  | 'lease_over'
  | 'removed';

/** What leads to the same from every state that is not the end. */
const FROM_ANY_STATE = {
  remove: { state: 'ended', reason: 'removed' },
  gone: { state: 'ended', reason: 'gone' },
  lease_over: { state: 'ended', reason: 'lease_over' },
  moved: { state: 'pending', reason: 'moved' },
} as const;

/** Every state with every input; a cell that is missing does not compile. */
const TRANSITIONS: Readonly<Record<SubscriptionState, Readonly<Record<LifecycleInput, LifecycleStep>>>> = {
  pending: {
    ...FROM_ANY_STATE,
    verified: { state: 'active', reason: 'verified' },
    refused: { state: 'ended', reason: 'refused' },
    pause: 'conflict',
    resume: 'verify',
    // Nobody is sent what somebody else has chosen before they have consented (14.5).
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
