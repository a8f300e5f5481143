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

/**
 * The cells of the phase `open`: a stream delivers, and a successor may be connecting beside it.
 */

export function openGap(draft: Draft, { gap }: InputOf<'gap'>): void {
  for (const subscription of draft.subscriptions) {
    if (subscription.mode === 'live') emitGap(draft, subscription, gap);
    // The held events no longer follow without a hole. The next poll reports the missing events.
    subscription.heldEvents = undefined;
  }
}

export function openAttached(draft: Draft, { id, cursor, problem }: InputOf<'attached'>, phase: Open): void {
  const subscription = findSubscription(draft, id);
  if (subscription?.mode !== 'attaching') return;
  if (problem?.retryable === false) return failSubscription(draft, id, problem);
  leaveStream(subscription);
  if (problem) return retryLater(draft, subscription);
  phase.channels = [...phase.channels, ...subscription.channels];
  subscription.catchUpThrough = cursor;
}

export function openTick(draft: Draft, _input: InputOf<'tick'>, phase: Open): void {
  const { nowMs } = draft;
  const isUnanswered = draft.subscriptions.some(({ mode, retryAtMs }) => mode === 'attaching' && nowMs >= retryAtMs);
  if (nowMs >= phase.untilMs || isUnanswered) return loseStream(draft, abandonAttempt(draft, phase), phase);
  const { successor } = phase;
  if (successor) {
    if (nowMs >= successor.untilMs) loseSuccessor(draft, abandonAttempt(draft, successor), phase);
  } else if (nowMs >= phase.probeAtMs) probe(draft, phase);
}

export function openNetwork(draft: Draft, _input: InputOf<'network'>, phase: Open): void {
  openSuccessor(draft, phase);
}

export function openDropped(draft: Draft, { channels }: InputOf<'dropped'>): void {
  const problem = clientProblem('forbidden', 'Not allowed.');
  for (const subscription of draft.subscriptions)
    if (subscription.channels.some((channel) => channels.includes(channel)))
      failSubscription(draft, subscription.id, problem);
}

/** Asks for a new token in good time. The current token stays in use until the new one arrives. */
export function openExpiring(draft: Draft, { attempt }: InputOf<'expiring'>): void {
  if (draft.settings.tokenRenewable) draft.effects.push({ kind: 'renew', attempt });
}

/**
 * Sends the new token to a stream that takes operations. Any other stream gets a successor that
 * uses the new token.
 */
export function openToken(draft: Draft, _input: InputOf<'token'>, phase: Open): void {
  const { attempt, transport } = phase;
  if (transport === OPERATIONS_TRANSPORT) draft.effects.push({ kind: 'auth', attempt });
  else openSuccessor(draft, phase);
}

/** Handles the inputs of the successor. */
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

/**
 * Each sign of life extends the time at which the stream counts as dead. One after `stableMs` shows
 * that the stream is stable.
 */
export function onSignOfLife(draft: Draft, phase: Open): void {
  const { settings, nowMs } = draft;
  phase.untilMs = nowMs + 2 * phase.heartbeatMs + settings.heartbeatMarginMs;
  if (phase.stable || nowMs - phase.sinceMs < settings.stableMs) return;
  phase.stable = true;
  draft.failures = 0;
  draft.provenFailures = 0;
  if (phase.transport === settings.transports[0]) draft.probes = 0;
}

export function openStream(draft: Draft, { cursor, heartbeatMs }: InputOf<'ready'>, attempt: Attempt): void {
  const { transport, channels, resumesFrom } = attempt;
  if (draft.provenTransport !== transport) draft.provenFailures = 0;
  draft.provenTransport = transport;
  draft.retriedWithNewToken = false;
  draft.oneByOne = false;
  draft.position = latest(draft.position, cursor);
  const phase: Open = {
    ...attempt,
    kind: 'open',
    sinceMs: draft.nowMs,
    stable: false,
    heartbeatMs,
    probeAtMs: probeAtMs(draft, transport),
    lingerUntilMs: 0,
    successor: undefined,
  };
  onSignOfLife(draft, phase);
  draft.phase = phase;
  for (const subscription of draft.subscriptions) {
    leaveStream(subscription);
    subscription.gapTo = latest(subscription.gapTo, subscription.cursor);
    // Not for a subscription that got its cursor after the client had asked for this stream.
    const follows = covers(channels, subscription.channels) && subscription.cursor >= (resumesFrom || cursor);
    if (subscription.mode === 'joining' && follows) becomeLive(draft, subscription);
    if (subscription.mode === 'live' && !follows) subscription.mode = 'joining';
    // A catch-up is in flight: the events of this stream are held for it. Its answer has to reach
    // the start of the stream.
    if (subscription.pollNumber !== 0 && covers(channels, subscription.channels)) {
      subscription.heldEvents = [];
      subscription.catchUpThrough = draft.position;
    }
  }
}

/** Probes the better transports in turn, beside the current stream. */
function probe(draft: Draft, phase: Open): void {
  const { transports } = draft.settings;
  const better = transports.slice(0, transports.indexOf(phase.transport));
  const transport = better[draft.probes++ % better.length];
  phase.probeAtMs = probeAtMs(draft, phase.transport);
  if (transport) openSuccessor(draft, phase, transport, true);
}

function loseSuccessor(draft: Draft, input: { readonly ending: Ending }, phase: Open): void {
  const { successor } = phase;
  phase.successor = undefined;
  if (successor?.isProbe) return;
  // The successor was to cover channels that the current stream does not, or to replace a stream
  // that may be dead. So the client begins anew.
  drop(draft, phase);
  loseStream(draft, input, phase);
}
