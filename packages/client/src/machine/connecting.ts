import { connect, drop, fail, giveUp, STRIKES_MAX } from './flow.ts';
import type { Connecting, Draft, InputOf, PhaseOf } from './state.ts';

/** The cells of the phases `waiting` and `connecting`. */

export function waitingTick(draft: Draft, _input: InputOf<'tick'>, phase: PhaseOf<'waiting'>): void {
  if (draft.nowMs >= phase.untilMs) connect(draft);
}

export function waitingNetwork(draft: Draft): void {
  draft.failures = 0;
  draft.strikes = 0;
  connect(draft);
}

/** Nothing comes before `ready`, but for a sign of life of the tab that leads: it is itself still connecting. */
export function connectingEvents(draft: Draft, _input: InputOf<'events'>, phase: Connecting): void {
  if (phase.transport === 'tab') phase.untilMs = draft.nowMs + draft.settings.readyTimeoutMs;
}

export function hint(draft: Draft, input: InputOf<'hint'>): void {
  draft.hintMs = input.reconnectInMs;
}

export function connectingTick(draft: Draft, _input: InputOf<'tick'>, phase: Connecting): void {
  if (draft.nowMs >= phase.untilMs) fail(draft, giveUp(draft, phase, 'silent'), phase, STRIKES_MAX);
}

export function connectingNetwork(draft: Draft, _input: InputOf<'network'>, phase: Connecting): void {
  drop(draft, phase);
  waitingNetwork(draft);
}
