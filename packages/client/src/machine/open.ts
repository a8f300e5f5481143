import {
  TAKES_OPERATIONS,
  type Attempt,
  type Draft,
  type Ending,
  type InputOf,
  type Open,
  type TransportInput,
} from './state.ts';
import { signOfLife } from './connecting.ts';
import { refusal } from '../errors.ts';
import { drop, giveUp, leaveStream, lose, openSuccessor, probeAtMs, retryLater } from './flow.ts';
import { becomeLive, covers, failMember, latest, memberOf, tellGap } from './members.ts';

/** The cells of the phase `open`: a stream delivers, and perhaps a successor is on its way. */

export function openGap(draft: Draft, { gap }: InputOf<'gap'>): void {
  for (const member of draft.members) {
    if (member.mode === 'live') tellGap(draft, member, gap);
    // What is held does not follow on any more: the next poll says what is missing.
    member.held = undefined;
  }
}

export function openPlaced(draft: Draft, { id, cursor, problem }: InputOf<'placed'>, phase: Open): void {
  const member = memberOf(draft, id);
  if (member?.mode !== 'placing') return;
  if (problem?.retryable === false) return failMember(draft, id, problem);
  leaveStream(member);
  if (problem !== undefined) return retryLater(draft, member);
  phase.channels = [...phase.channels, ...member.channels];
  member.since = cursor;
}

export function openTick(draft: Draft, _input: InputOf<'tick'>, phase: Open): void {
  const { nowMs } = draft;
  const isUnanswered = draft.members.some(({ mode, retryAtMs }) => mode === 'placing' && nowMs >= retryAtMs);
  if (nowMs >= phase.untilMs || isUnanswered) return lose(draft, giveUp(draft, phase), phase);
  const { successor } = phase;
  if (successor === undefined) {
    if (nowMs >= phase.probeAtMs) probe(draft, phase);
  } else if (nowMs >= successor.untilMs) {
    loseSuccessor(draft, giveUp(draft, successor), phase);
  }
}

export function openNetwork(draft: Draft, _input: InputOf<'network'>, phase: Open): void {
  openSuccessor(draft, phase);
}

export function openDropped(draft: Draft, { channels }: InputOf<'dropped'>): void {
  const problem = refusal('forbidden', 'No longer allowed.');
  for (const member of draft.members)
    if (member.channels.some((channel) => channels.includes(channel))) failMember(draft, member.id, problem);
}

/** In good time: what holds now goes on until the other is there. */
export function openExpiring(draft: Draft, { attempt }: InputOf<'expiring'>): void {
  if (draft.settings.tokenRenewable) draft.effects.push({ kind: 'renew', attempt });
}

/** A stream that takes operations is told of the new token; any other has a successor with it. */
export function openToken(draft: Draft, _input: InputOf<'token'>, phase: Open): void {
  const { attempt, transport } = phase;
  if (transport === TAKES_OPERATIONS) draft.effects.push({ kind: 'auth', attempt });
  else openSuccessor(draft, phase);
}

/** What the stream beside the current one tells. */
export function successorTells(draft: Draft, input: TransportInput, phase: Open): void {
  if (input.kind === 'ready') {
    drop(draft, phase);
    openStream(draft, input, phase.successor as Attempt);
  } else if (input.kind === 'ended') {
    loseSuccessor(draft, input, phase);
  } else if (input.kind === 'events') {
    signOfLife(draft, input, phase.successor as Attempt);
  }
}

/** Any sign of life moves the moment of death on; one after `stableMs` shows that the stream is good. */
export function heard(draft: Draft, phase: Open): void {
  const { settings, nowMs } = draft;
  phase.untilMs = nowMs + 2 * phase.heartbeatMs + settings.heartbeatMarginMs;
  if (phase.stable || nowMs - phase.sinceMs < settings.stableMs) return;
  phase.stable = true;
  draft.failures = 0;
  draft.strikes = 0;
  if (phase.transport === settings.transports[0]) draft.probes = 0;
}

export function openStream(
  draft: Draft,
  { cursor, heartbeatMs }: InputOf<'ready'>,
  { attempt, transport, channels, from }: Attempt,
): void {
  if (draft.proven !== transport) draft.strikes = 0;
  draft.proven = transport;
  draft.renewed = false;
  draft.singly = false;
  draft.position = latest(draft.position, cursor);
  const untilMs = draft.nowMs + 2 * heartbeatMs + draft.settings.heartbeatMarginMs;
  const probeMs = probeAtMs(draft, transport);
  draft.phase = {
    kind: 'open',
    attempt,
    transport,
    sinceMs: draft.nowMs,
    stable: false,
    heartbeatMs,
    untilMs,
    channels,
    probeAtMs: probeMs,
    lingerUntilMs: 0,
    successor: undefined,
  };
  for (const member of draft.members) {
    leaveStream(member);
    member.gapTo = latest(member.gapTo, member.cursor);
    // Not if it came to its place only after this stream was asked for.
    const follows = covers(channels, member.channels) && member.cursor >= (from || cursor);
    if (member.mode === 'joining' && follows) becomeLive(draft, member);
    if (member.mode === 'live' && !follows) member.mode = 'joining';
    // What this stream brings is held for a catch-up that is under way, if that comes to speak as far as the stream begins.
    if (member.round !== 0 && covers(channels, member.channels)) {
      member.held = [];
      member.since = draft.position;
    }
  }
}

/** Tries the better transports, each in its turn, beside the current one. */
function probe(draft: Draft, phase: Open): void {
  const { transports } = draft.settings;
  const better = transports.slice(0, transports.indexOf(phase.transport));
  const transport = better[draft.probes++ % better.length];
  phase.probeAtMs = probeAtMs(draft, phase.transport);
  if (transport !== undefined) openSuccessor(draft, phase, transport, true);
}

function loseSuccessor(draft: Draft, input: { readonly ending: Ending }, phase: Open): void {
  const { successor } = phase;
  phase.successor = undefined;
  if (successor?.isProbe) return;
  // It was to take over what this one does not cover, or no longer reaches: begin anew.
  drop(draft, phase);
  lose(draft, input, phase);
}
