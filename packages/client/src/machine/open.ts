import { backoffMs } from './backoff.ts';
import { leaveStream, lose, openSuccessor, probeAtMs, sweepOf } from './flow.ts';
import { becomeLive, covers, failMember, latest, memberOf, put, takeFromStream, tellGap, update } from './members.ts';
import { takePlaced } from './placing.ts';
import type { Draft, Ending, InputOf, Moment, PhaseOf } from './state.ts';

/** The cells of the phase `open`: a stream delivers, and perhaps a successor is on its way. */

export function openReady(draft: Draft, input: InputOf<'ready'>, moment: Moment, phase: PhaseOf<'open'>): void {
  const { successor } = phase;
  if (successor === undefined || input.attempt !== successor.attempt) return;
  draft.effects.push({ kind: 'drop', attempt: phase.attempt });
  openStream(draft, input, moment, successor);
}

export function openEvents(draft: Draft, input: InputOf<'events'>, moment: Moment, phase: PhaseOf<'open'>): void {
  if (input.attempt === phase.successor?.attempt && input.events.length > 0) {
    draft.effects.push({ kind: 'drop', attempt: input.attempt });
    return loseSuccessor(draft, moment, phase, { kind: 'lost', why: 'an event before ready' });
  }
  if (input.attempt !== phase.attempt) return;
  heard(draft, moment, phase);
  takeFromStream(draft, input.events, input.cursor);
}

export function openGap(draft: Draft, input: InputOf<'gap'>, moment: Moment, phase: PhaseOf<'open'>): void {
  if (input.attempt !== phase.attempt) return;
  heard(draft, moment, phase);
  for (const { id, mode } of draft.members) if (mode === 'live') tellGap(draft, id, input.gap);
}

export function openHint(draft: Draft, input: InputOf<'hint'>, moment: Moment, phase: PhaseOf<'open'>): void {
  if (input.attempt !== phase.attempt) return;
  heard(draft, moment, phase);
  draft.hintMs = input.reconnectInMs;
}

export function openPlaced(draft: Draft, input: InputOf<'placed'>, moment: Moment, phase: PhaseOf<'open'>): void {
  if (input.attempt !== phase.attempt) return;
  heard(draft, moment, phase);
  takePlaced(draft, input);
}

export function openNotPlaced(
  draft: Draft,
  input: InputOf<'not-placed'>,
  moment: Moment,
  phase: PhaseOf<'open'>,
): void {
  if (input.attempt !== phase.attempt || memberOf(draft, input.id)?.mode !== 'placing') return;
  heard(draft, moment, phase);
  if (!input.problem.retryable) return failMember(draft, input.id, input.problem);
  const { backoffBaseMs, backoffCapMs } = draft.settings;
  const retryAtMs = moment.nowMs + backoffBaseMs + backoffMs(3, moment.chance, backoffBaseMs, backoffCapMs);
  update(draft, input.id, { mode: memberOf(draft, input.id)?.cursor === undefined ? 'new' : 'joining', retryAtMs });
}

export function openEnded(draft: Draft, input: InputOf<'ended'>, moment: Moment, phase: PhaseOf<'open'>): void {
  const { successor } = phase;
  if (input.attempt === successor?.attempt) return loseSuccessor(draft, moment, phase, input.ending);
  if (input.attempt !== phase.attempt) return;
  if (successor === undefined || input.ending.kind !== 'lost') return lose(draft, moment, phase, input.ending);
  // One that is on its way already takes over.
  draft.members = draft.members.map(leaveStream);
  const { attempt, transport, untilMs, channels, from } = successor;
  const rest = sweepOf(draft).filter((name) => name !== transport);
  draft.phase = { name: 'connecting', attempt, transport, rest, untilMs, channels, from, group: [] };
}

export function openTick(draft: Draft, _input: InputOf<'tick'>, moment: Moment, phase: PhaseOf<'open'>): void {
  const { nowMs } = moment;
  const unanswered = draft.members.some(({ mode, retryAtMs }) => mode === 'placing' && nowMs >= retryAtMs);
  if (nowMs >= phase.untilMs || unanswered) {
    draft.effects.push({ kind: 'drop', attempt: phase.attempt });
    return lose(draft, moment, phase, { kind: 'lost', why: 'silent' });
  }
  if (phase.successor !== undefined && nowMs >= phase.successor.untilMs) {
    draft.effects.push({ kind: 'drop', attempt: phase.successor.attempt });
    return loseSuccessor(draft, moment, phase, { kind: 'lost', why: 'not ready in time' });
  }
  if (nowMs >= phase.probeAtMs && phase.successor === undefined) probe(draft, moment, phase);
}

export function openNetwork(draft: Draft, _input: InputOf<'network'>, moment: Moment, phase: PhaseOf<'open'>): void {
  openSuccessor(draft, moment, phase.transport, 'network');
}

/** Any sign of life moves the moment of death on; one after `stableMs` shows that the stream is good. */
function heard(draft: Draft, moment: Moment, phase: PhaseOf<'open'>): void {
  const { settings } = draft;
  const stable = phase.stable || moment.nowMs - phase.sinceMs >= settings.stableMs;
  if (stable && !phase.stable) {
    draft.failures = 0;
    draft.strikes = 0;
    if (phase.transport === settings.transports[0]) draft.probes = 0;
  }
  draft.phase = { ...phase, stable, untilMs: moment.nowMs + 2 * phase.heartbeatMs + settings.heartbeatMarginMs };
}

/** Tries the better transports, each in its turn, beside the current one. */
function probe(draft: Draft, moment: Moment, phase: PhaseOf<'open'>): void {
  const better = draft.settings.transports.slice(0, draft.settings.transports.indexOf(phase.transport));
  const transport = better[draft.probes % better.length];
  draft.probes++;
  draft.phase = { ...phase, probeAtMs: probeAtMs(draft, moment, phase.transport) };
  if (transport !== undefined) openSuccessor(draft, moment, transport, 'better');
}

function loseSuccessor(draft: Draft, moment: Moment, phase: PhaseOf<'open'>, ending: Ending): void {
  const rest: PhaseOf<'open'> = { ...phase, successor: undefined };
  draft.phase = rest;
  if (phase.successor?.reason === 'better') return;
  // It was to take over what this one does not cover, or no longer reaches: begin anew.
  draft.effects.push({ kind: 'drop', attempt: phase.attempt });
  lose(draft, moment, rest, ending);
}

type Opened = Pick<PhaseOf<'connecting'>, 'attempt' | 'transport' | 'channels' | 'from'>;

export function openStream(draft: Draft, input: InputOf<'ready'>, moment: Moment, opened: Opened): void {
  const { attempt, transport, channels, from } = opened;
  const untilMs = moment.nowMs + 2 * input.heartbeatMs + draft.settings.heartbeatMarginMs;
  if (draft.proven !== transport) draft.strikes = 0;
  draft.proven = transport;
  draft.renewed = false;
  draft.singly = false;
  if (input.cursor !== undefined) draft.position = latest(draft.position ?? '', input.cursor);
  draft.phase = {
    name: 'open',
    attempt,
    transport,
    sinceMs: moment.nowMs,
    stable: false,
    heartbeatMs: input.heartbeatMs,
    untilMs,
    channels,
    probeAtMs: probeAtMs(draft, moment, transport),
    successor: undefined,
  };
  for (const left of draft.members.map(leaveStream)) {
    const member = { ...left, gapTo: latest(left.gapTo, left.cursor ?? '') };
    // Not if it came to its place only after this stream was asked for.
    const follows = covers(channels, member.channels) && (member.cursor ?? '') >= from;
    if (member.mode === 'joining' && follows) becomeLive(draft, member);
    else put(draft, member.mode === 'live' && !follows ? { ...member, mode: 'joining' } : member);
  }
}
