import type { Position, StoredRecord } from '../core/ports.ts';

/**
 * An explanation says why an event reached a reader, or did not: a list of steps on the way of the
 * event, and one conclusion. Example: `stored: passed`, `matched: passed`, `session: stopped`, and
 * "ann's last session ended at 14:02:11 (network error); there has been none since."
 *
 * `explain-user.ts` and `explain-subscription.ts` put the steps in order.
 */
export interface Explanation {
  readonly event: ExplainedEvent;
  readonly steps: readonly Step[];
  readonly conclusion: Conclusion;
}

/** `passed`: the event went on. `stopped`: here it ended. */
export const VERDICTS = ['passed', 'stopped', 'pending', 'unknown'] as const;
export type Verdict = (typeof VERDICTS)[number];

export const STEPS = [
  'accepted',
  'stored',
  'matched',
  'allowed',
  'session',
  'away',
  'subscription',
  'attempt',
  'lease',
  'dead_letter',
  'replay',
  'channel',
  'hub',
] as const;

export interface Step {
  readonly step: (typeof STEPS)[number];
  readonly verdict: Verdict;
  readonly reason?: Reason | string;
  readonly timeMs?: number | undefined;
  /** One sentence. */
  readonly text: string;
  /** A path of the API with more. */
  readonly link?: string;
  readonly detail?: object;
}

export const OUTCOMES = ['delivered', 'pending', 'missed', 'unknown'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** The reasons of an outcome (PROTOCOL.md section 13.12). */
export const REASONS = [
  'delivered',
  'delivered_later',
  'acknowledged',
  'published',
  'session_behind',
  'waiting',
  'in_flight',
  'retrying',
  'leased',
  'paused',
  'suspended',
  'unverified',
  'user_away',
  'no_such_event',
  'other_epoch',
  'retention',
  'other_channel',
  'not_allowed',
  'allowed_since',
  'filtered_by_type',
  'filtered_by_content',
  'own_event',
  'stalled',
  'skipped',
  'before_start',
  'dead_letter',
  'ended',
  'not_recorded',
  'hub_silent',
] as const;
export type Reason = (typeof REASONS)[number];

export interface Conclusion {
  readonly outcome: Outcome;
  readonly reason: Reason;
  /** One sentence or two, for a person. */
  readonly sentence: string;
}

/** The event that an explanation is about. */
export interface ExplainedEvent {
  readonly id: string;
  readonly epoch: string;
  readonly position: Position;
  /** `undefined`: the log does not have it, or not any more. */
  readonly record: StoredRecord | undefined;
  /** Its channel, or the one that the question names. */
  readonly channel: string | undefined;
  /** When it was accepted. For an event that is gone: at the latest. */
  readonly timeMs: number | undefined;
  readonly author: EventAuthor;
}

/** The members of an event that name its author. */
export interface EventAuthor {
  readonly user?: string;
  readonly origin?: string;
}

/** Steps, and the conclusion if they suffice for one. */
export interface Findings {
  readonly steps: readonly Step[];
  readonly conclusion: Conclusion | undefined;
}
