import { connect, drop, failAttempt, abandonAttempt, PROVEN_FAILURES_MAX } from './transitions.ts';
import type { Attempt, Connecting, Draft, InputOf, PhaseOf } from './state.ts';

/** The cells of the phases `waiting` and `connecting`. */

export function waitingTick(draft: Draft, _input: InputOf<'tick'>, phase: PhaseOf<'waiting'>): void {
  if (draft.nowMs >= phase.untilMs) connect(draft);
}

export function waitingNetwork(draft: Draft): void {
  draft.failures = 0;
  draft.provenFailures = 0;
  connect(draft);
}

/**
 * Handles a sign of life before `ready`: the attempt has its token and asks the hub, or the leading
 * tab is itself still connecting. The time before that says nothing about the transport. After
 * failures the time is longer, for slow networks.
 */
export function extendReadyTimeout(
  { nowMs, settings, failures }: Draft,
  _input: InputOf<'events'>,
  attempt: Attempt,
): void {
  if (attempt.transport === 'tab' || attempt.untilMs === Infinity)
    attempt.untilMs = nowMs + settings.readyTimeoutMs * Math.min(1 + failures, 3);
}

export function hint(draft: Draft, input: InputOf<'hint'>): void {
  draft.hintMs = input.reconnectInMs;
}

export function connectingTick(draft: Draft, _input: InputOf<'tick'>, phase: Connecting): void {
  if (draft.nowMs >= phase.untilMs) failAttempt(draft, abandonAttempt(draft, phase), phase, PROVEN_FAILURES_MAX);
}

export function connectingNetwork(draft: Draft, _input: InputOf<'network'>, phase: Connecting): void {
  drop(draft, phase);
  waitingNetwork(draft);
}
