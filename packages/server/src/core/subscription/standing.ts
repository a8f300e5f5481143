import type { SubscriptionState } from './definition.ts';

/** What happens to a subscription (PROTOCOL.md section 14.2). */
export type StandingInput =
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
export type StandingStep =
  | { readonly state: SubscriptionState; readonly reason: StandingReason }
  | 'stays'
  | 'asks'
  | 'conflict';

/** The `reason` of a state, on the wire. */
export type StandingReason =
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
const ALIKE = {
  remove: { state: 'ended', reason: 'removed' },
  gone: { state: 'ended', reason: 'gone' },
  lease_over: { state: 'ended', reason: 'lease_over' },
  moved: { state: 'pending', reason: 'moved' },
} as const;

/** Every state with every input; a cell that is missing does not compile. */
const TABLE: Readonly<Record<SubscriptionState, Readonly<Record<StandingInput, StandingStep>>>> = {
  pending: {
    ...ALIKE,
    verified: { state: 'active', reason: 'verified' },
    refused: { state: 'ended', reason: 'refused' },
    pause: 'conflict',
    resume: 'asks',
    // Nobody is sent what somebody else has chosen before they have consented (14.5).
    test: 'conflict',
    all_failing: 'stays',
    probe_succeeded: 'stays',
  },
  active: {
    ...ALIKE,
    verified: 'stays',
    refused: 'stays',
    pause: { state: 'paused', reason: 'paused' },
    resume: 'stays',
    test: 'stays',
    all_failing: { state: 'suspended', reason: 'failing' },
    probe_succeeded: 'stays',
  },
  paused: {
    ...ALIKE,
    verified: 'stays',
    refused: 'stays',
    pause: 'stays',
    resume: { state: 'active', reason: 'resumed' },
    test: 'stays',
    all_failing: 'stays',
    probe_succeeded: 'stays',
  },
  suspended: {
    ...ALIKE,
    verified: 'stays',
    refused: 'stays',
    pause: { state: 'paused', reason: 'paused' },
    resume: { state: 'active', reason: 'resumed' },
    test: 'stays',
    all_failing: 'stays',
    probe_succeeded: { state: 'active', reason: 'healed' },
  },
  ended: {
    verified: 'stays',
    refused: 'stays',
    moved: 'conflict',
    pause: 'conflict',
    resume: 'conflict',
    test: 'conflict',
    remove: 'stays',
    all_failing: 'stays',
    probe_succeeded: 'stays',
    gone: 'stays',
    lease_over: 'stays',
  },
};

export function stepStanding(state: SubscriptionState, input: StandingInput): StandingStep {
  return TABLE[state][input];
}
