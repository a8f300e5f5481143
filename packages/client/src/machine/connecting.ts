import { connect, fail, isCursor, silence, sweepOf } from './flow.ts';
import { becomeLive, memberOf } from './members.ts';
import { openStream } from './open.ts';
import type { Draft, InputOf, Moment, PhaseOf } from './state.ts';

/** The cells of the phases `waiting` and `connecting`. */

export function waitingTick(draft: Draft, _input: InputOf<'tick'>, moment: Moment, phase: PhaseOf<'waiting'>): void {
  if (moment.nowMs >= phase.untilMs) connect(draft, moment, sweepOf(draft));
}

export function waitingNetwork(draft: Draft, _input: InputOf<'network'>, moment: Moment): void {
  draft.failures = 0;
  draft.strikes = 0;
  connect(draft, moment, sweepOf(draft));
}

export function connectingReady(
  draft: Draft,
  input: InputOf<'ready'>,
  moment: Moment,
  phase: PhaseOf<'connecting'>,
): void {
  if (input.attempt !== phase.attempt) return;
  openStream(draft, input, moment, phase);
  for (const id of phase.group) {
    const member = memberOf(draft, id);
    if (member?.mode !== 'new') continue;
    const cursor = isCursor(member.start.after) ? member.start.after : (input.cursor ?? '');
    becomeLive(draft, { ...member, cursor });
  }
}

export function connectingEvents(
  draft: Draft,
  input: InputOf<'events'>,
  moment: Moment,
  phase: PhaseOf<'connecting'>,
): void {
  if (input.attempt !== phase.attempt) return;
  // The tab that leads is there, and is itself still connecting.
  if (phase.transport === 'tab') draft.phase = { ...phase, untilMs: moment.nowMs + draft.settings.readyTimeoutMs };
  if (input.events.length === 0) return;
  draft.effects.push({ kind: 'drop', attempt: phase.attempt });
  fail(draft, moment, phase, { kind: 'lost', why: 'an event before ready' });
}

export function connectingHint(
  draft: Draft,
  input: InputOf<'hint'>,
  _moment: Moment,
  phase: PhaseOf<'connecting'>,
): void {
  if (input.attempt === phase.attempt) draft.hintMs = input.reconnectInMs;
}

export function connectingEnded(
  draft: Draft,
  input: InputOf<'ended'>,
  moment: Moment,
  phase: PhaseOf<'connecting'>,
): void {
  if (input.attempt === phase.attempt) fail(draft, moment, phase, input.ending);
}

export function connectingTick(
  draft: Draft,
  _input: InputOf<'tick'>,
  moment: Moment,
  phase: PhaseOf<'connecting'>,
): void {
  if (moment.nowMs >= phase.untilMs) silence(draft, moment, phase);
}

export function connectingNetwork(
  draft: Draft,
  _input: InputOf<'network'>,
  moment: Moment,
  phase: PhaseOf<'connecting'>,
): void {
  draft.effects.push({ kind: 'drop', attempt: phase.attempt });
  waitingNetwork(draft, { kind: 'network' }, moment);
}
