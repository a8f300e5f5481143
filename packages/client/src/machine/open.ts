import {
  OPERATIONS_TRANSPORT,
  type Attempt,
  type Draft,
  type Ending,
  type InputOf,
  type Open,
  type TransportInput,
} from './state.ts';
import { extendReadyTimeout } from './connecting.ts';
import { clientProblem } from '../errors.ts';
import { drop, abandonAttempt, leaveStream, loseStream, openSuccessor, probeAtMs, retryLater } from './transitions.ts';
import { becomeLive, covers, failSubscription, latest, findSubscription, emitGap } from './subscription-state.ts';

/** The cells of the phase `open`: a stream delivers, and perhaps a successor is on its way. */

export function openGap(draft: Draft, { gap }: InputOf<'gap'>): void {
  for (const subscription of draft.subscriptions) {
    if (subscription.mode === 'live') emitGap(draft, subscription, gap);
    // What is held does not follow on any more: the next poll says what is missing.
    subscription.heldEvents = undefined;
  }
}

export function openAttached(draft: Draft, { id, cursor, problem }: InputOf<'attached'>, phase: Open): void {
  const subscription = findSubscription(draft, id);
  if (subscription?.mode !== 'attaching') return;
  if (problem?.retryable === false) return failSubscription(draft, id, problem);
  leaveStream(subscription);
  if (problem !== undefined) return retryLater(draft, subscription);
  phase.channels = [...phase.channels, ...subscription.channels];
  subscription.catchUpThrough = cursor;
}

export function openTick(draft: Draft, _input: InputOf<'tick'>, phase: Open): void {
  const { nowMs } = draft;
  const isUnanswered = draft.subscriptions.some(({ mode, retryAtMs }) => mode === 'attaching' && nowMs >= retryAtMs);
  if (nowMs >= phase.untilMs || isUnanswered) return loseStream(draft, abandonAttempt(draft, phase), phase);
  const { successor } = phase;
  if (successor === undefined) {
    if (nowMs >= phase.probeAtMs) probe(draft, phase);
  } else if (nowMs >= successor.untilMs) {
    loseSuccessor(draft, abandonAttempt(draft, successor), phase);
  }
}

export function openNetwork(draft: Draft, _input: InputOf<'network'>, phase: Open): void {
  openSuccessor(draft, phase);
}

export function openDropped(draft: Draft, { channels }: InputOf<'dropped'>): void {
  const problem = clientProblem('forbidden', 'No longer allowed.');
  for (const subscription of draft.subscriptions)
    if (subscription.channels.some((channel) => channels.includes(channel)))
      failSubscription(draft, subscription.id, problem);
}

/** In good time: what holds now goes on until the other is there. */
export function openExpiring(draft: Draft, { attempt }: InputOf<'expiring'>): void {
  if (draft.settings.tokenRenewable) draft.effects.push({ kind: 'renew', attempt });
}

/** A stream that takes operations is told of the new token; any other has a successor with it. */
export function openToken(draft: Draft, _input: InputOf<'token'>, phase: Open): void {
  const { attempt, transport } = phase;
  if (transport === OPERATIONS_TRANSPORT) draft.effects.push({ kind: 'auth', attempt });
  else openSuccessor(draft, phase);
}

/** What the stream beside the current one tells. */
export function onSuccessorInput(draft: Draft, input: TransportInput, phase: Open): void {
  if (input.kind === 'ready') {
    drop(draft, phase);
    openStream(draft, input, phase.successor as Attempt);
  } else if (input.kind === 'ended') {
    loseSuccessor(draft, input, phase);
  } else if (input.kind === 'events') {
    extendReadyTimeout(draft, input, phase.successor as Attempt);
  }
}

/** Any sign of life moves the moment of death on; one after `stableMs` shows that the stream is good. */
export function onSignOfLife(draft: Draft, phase: Open): void {
  const { settings, nowMs } = draft;
  phase.untilMs = nowMs + 2 * phase.heartbeatMs + settings.heartbeatMarginMs;
  if (phase.stable || nowMs - phase.sinceMs < settings.stableMs) return;
  phase.stable = true;
  draft.failures = 0;
  draft.provenFailures = 0;
  if (phase.transport === settings.transports[0]) draft.probes = 0;
}

export function openStream(
  draft: Draft,
  { cursor, heartbeatMs }: InputOf<'ready'>,
  { attempt, transport, channels, from }: Attempt,
): void {
  if (draft.provenTransport !== transport) draft.provenFailures = 0;
  draft.provenTransport = transport;
  draft.retriedWithNewToken = false;
  draft.oneByOne = false;
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
  for (const subscription of draft.subscriptions) {
    leaveStream(subscription);
    subscription.gapTo = latest(subscription.gapTo, subscription.cursor);
    // Not if it came to its place only after this stream was asked for.
    const follows = covers(channels, subscription.channels) && subscription.cursor >= (from || cursor);
    if (subscription.mode === 'joining' && follows) becomeLive(draft, subscription);
    if (subscription.mode === 'live' && !follows) subscription.mode = 'joining';
    // What this stream brings is held for a catch-up that is under way, if that comes to speak as far as the stream begins.
    if (subscription.pollNumber !== 0 && covers(channels, subscription.channels)) {
      subscription.heldEvents = [];
      subscription.catchUpThrough = draft.position;
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
  loseStream(draft, input, phase);
}
