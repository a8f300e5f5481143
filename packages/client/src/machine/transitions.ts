import type { ErrorCode, Problem } from '@polycast/protocol';
import { covers, failSubscription, onStream, union } from './subscription-state.ts';
import {
  hasAttempt,
  type Attempt,
  type Connecting,
  type Draft,
  type Ending,
  type SubscriptionState,
  type Open,
  type State,
  type TransportName,
} from './state.ts';
import { backoffMs } from './backoff.ts';
import { refusesPrincipal, refusesToken, clientProblem } from '../errors.ts';
import { afterClose } from './close-codes.ts';

/**
 * The transitions between `connecting`, `open`, `waiting` and `closed`, and the choice of the
 * transport. The proven transport is the one that delivered last. A successor is a stream that
 * replaces the current one; a probe is a successor on a better transport. For example, a client on
 * `sse` probes `websocket` after 15 to 30 seconds, and switches to it if it delivers.
 */

/**
 * After this many failures without being stable in between, the proven transport is no longer tried
 * first.
 */
export const PROVEN_FAILURES_MAX = 3;

/**
 * Opens the first of these transports. If its attempt fails, the client tries the others without a
 * wait.
 */
export function connect(
  draft: Draft,
  [transport, ...rest]: readonly TransportName[] = transportsToTry(draft),
  why = '',
): void {
  if (!transport) return waitToReconnect(draft, why);
  draft.hintMs = 0;
  draft.phase = { ...startAttempt(draft, transport), kind: 'connecting', rest };
}

/**
 * Opens another stream beside the current one. The current stream goes on until the other one
 * delivers, so that no event is lost in between.
 */
export function openSuccessor(
  draft: Draft,
  phase: Open,
  transport: TransportName = phase.transport,
  isProbe = false,
): void {
  // Without a subscription the stream ends soon, and there are no channels to ask for.
  if (draft.subscriptions.length === 0) return;
  drop(draft, phase.successor);
  phase.successor = { ...startAttempt(draft, transport), isProbe };
}

/** The end of a stream that has delivered. */
export function loseStream(draft: Draft, { ending }: { readonly ending: Ending }, phase: Open): void {
  drop(draft, phase.successor);
  draft.subscriptions.forEach(leaveStream);
  if (!phase.stable) draft.provenFailures++;
  // A quiet stream may have lasted without a message that made it stable. Its end is a new outage.
  if (draft.nowMs - phase.sinceMs >= draft.settings.stableMs) draft.failures = 0;
  handleEnding(draft, ending, () => waitToReconnect(draft, reasonOf(ending), draft.hintMs));
}

/**
 * Resets a subscription after the end of its stream: the client has to repeat requests that the
 * stream has not answered.
 */
export function leaveStream(subscription: SubscriptionState): void {
  subscription.heldEvents = undefined;
  // A catch-up goes on: it is a request of its own and does not use the stream.
  if (subscription.mode === 'behind' || (subscription.cursor !== '' && subscription.mode !== 'attaching')) return;
  subscription.mode = subscription.cursor === '' ? 'new' : 'joining';
  subscription.pollNumber = 0;
  subscription.retryAtMs = Infinity;
}

/**
 * The end of an attempt that has not delivered. Silence of the proven transport counts as several
 * failures, because a buffering proxy will buffer the next attempt as well.
 */
export function failAttempt(
  draft: Draft,
  { ending }: { readonly ending: Ending },
  phase: Connecting,
  provenFailures = 1,
): void {
  if (phase.transport === draft.provenTransport) draft.provenFailures += provenFailures;
  handleEnding(draft, ending, () => connect(draft, phase.rest, reasonOf(ending)));
}

/**
 * The transports to try, in order: the proven one alone while it fails rarely; otherwise all, the
 * best first and the proven one last.
 */
export function transportsToTry({
  provenTransport,
  provenFailures,
  settings: { transports },
}: State): readonly TransportName[] {
  if (!provenTransport) return transports;
  return provenFailures < PROVEN_FAILURES_MAX
    ? [provenTransport]
    : [...transports.filter((name) => name !== provenTransport), provenTransport];
}

/** Drops an attempt or a stream that was silent for too long. */
export function abandonAttempt(draft: Draft, target: { readonly attempt: number }): { readonly ending: Ending } {
  drop(draft, target);
  return { ending: { kind: 'lost', why: 'silent' } };
}

/** Closes permanently. If there is a problem, all subscriptions fail with it. */
export function close(draft: Draft, why: string, problem?: Problem): void {
  const { phase } = draft;
  if (hasAttempt(phase)) drop(draft, phase);
  if (phase.kind === 'open') drop(draft, phase.successor);
  if (problem) for (const { id } of draft.subscriptions) failSubscription(draft, id, problem);
  draft.subscriptions = [];
  draft.phase = { kind: 'closed', why, problem };
}

export function drop(draft: Draft, target: { readonly attempt: number } | undefined): void {
  if (target) draft.effects.push({ kind: 'drop', attempt: target.attempt });
}

/**
 * The time of the next probe of a better transport: a random time in the second half of a span. The
 * span doubles with each probe since the best transport was last stable, up to `probeCapMs`.
 */
export function probeAtMs({ settings, probes, nowMs, chance }: Draft, transport: TransportName): number {
  if (settings.transports.indexOf(transport) <= 0) return Infinity;
  const spanMs = Math.min(settings.probeCapMs, settings.probeBaseMs * 2 ** probes);
  return nowMs + spanMs * (0.5 + chance / 2);
}

/**
 * Sets the next try of a subscription: 1 to 9 times `backoffBaseMs` from now, plus the hub's hint.
 */
export function retryLater(draft: Draft, subscription: SubscriptionState, hintMs = 0): void {
  subscription.retryAtMs = draft.nowMs + hintMs + draft.settings.backoffBaseMs * (1 + 8 * draft.chance);
}

function waitToReconnect(draft: Draft, why: string, hintMs = 0): void {
  const { backoffBaseMs, backoffCapMs } = draft.settings;
  const jitterMs = backoffMs(draft.failures++, draft.chance, backoffBaseMs, backoffCapMs);
  draft.phase = { kind: 'waiting', untilMs: draft.nowMs + hintMs + jitterMs, why };
}

/**
 * Reacts to the end of a transport: stops, waits as the hub asked, or else calls `otherwise`, the
 * phase's own reaction to a loss.
 */
function handleEnding(draft: Draft, ending: Ending, otherwise: () => void): void {
  if (ending.kind === 'refused') return handleRefusal(draft, ending);
  const then = ending.kind === 'closed' ? afterClose(ending.code) : 'reconnect';
  if (then === 'back-off') return waitToReconnect(draft, reasonOf(ending), draft.hintMs);
  // A close code before `ready` gives no reason. The next transport receives the reason, as a
  // problem document.
  if (ending.kind !== 'closed' || then === 'reconnect' || draft.phase.kind === 'connecting') return otherwise();
  stop(draft, clientProblem(CODE_OF_CLOSE[ending.code] ?? 'invalid_message', `The hub ${reasonOf(ending)}.`), true);
}

function handleRefusal(draft: Draft, { problem, hintMs }: Extract<Ending, { kind: 'refused' }>): void {
  if (problem.retryable) return waitToReconnect(draft, problem.code, Math.max(hintMs, draft.hintMs));
  const { phase } = draft;
  const isConnecting = phase.kind === 'connecting';
  // The hub may have refused a channel, and not the connection.
  if (!problem['channel'] && (!isConnecting || phase.resumesFrom !== '' || refusesPrincipal(problem)))
    return stop(draft, problem);
  if (!isConnecting) return waitToReconnect(draft, problem.code);
  const [first, ...others] = draft.subscriptions.filter(({ channels }) => covers(phase.channels, channels));
  if (first && covers(first.channels, phase.channels)) failSubscription(draft, first.id, problem);
  else {
    // One of several subscriptions asks for a forbidden channel. The others must go on, so the
    // client adds them one by one.
    draft.oneByOne = true;
    others.forEach(catchUpByPoll);
  }
  connect(draft);
}

/**
 * Makes a subscription come back to the stream by a poll of its own channels. The poll shows
 * whether the subscription may read them.
 */
function catchUpByPoll(subscription: SubscriptionState): void {
  if (!onStream(subscription)) return;
  subscription.mode = 'behind';
  subscription.wasLive = false;
}

/**
 * Closes the connection, unless another token can help. A close code alone gives no reason, and a
 * site that did not answer before may be back. So the client tries once more without a new token,
 * if another transport can receive the reason of the refusal.
 */
function stop(draft: Draft, problem: Problem, isUnexplained = false): void {
  const { tokenRenewable, transports } = draft.settings;
  const isWorthATry = tokenRenewable || (isUnexplained && transports.length > 1);
  if (!refusesToken(problem) || draft.retriedWithNewToken || !isWorthATry) return close(draft, problem.code, problem);
  draft.retriedWithNewToken = true;
  if (!tokenRenewable) draft.provenFailures = PROVEN_FAILURES_MAX;
  draft.effects.push({ kind: 'refuse' });
  waitToReconnect(draft, problem.code);
}

const CODE_OF_CLOSE: Readonly<Record<number, ErrorCode>> = { 4401: 'unauthorized', 4403: 'forbidden' };

function reasonOf(ending: Ending): string {
  if (ending.kind === 'lost') return ending.why;
  return ending.kind === 'closed' ? `closed with ${ending.code}` : ending.problem.code;
}

/**
 * Opens a stream. It resumes from the oldest cursor of the subscriptions that it delivers to.
 * Subscriptions in the modes `behind` and `full` catch up by polls. The first stream begins with
 * new events; polls fetch the past events that subscriptions ask for.
 */
function startAttempt(draft: Draft, transport: TransportName): Attempt {
  const { subscriptions } = draft;
  // Before the first stream there is nothing to resume: a subscription that has already caught up
  // does so once more.
  const resumed = draft.position === '' ? [] : subscriptions.filter(onStream);
  const channels = union(resumed.length > 0 ? resumed : subscriptions.slice(0, draft.oneByOne ? 1 : Infinity));
  const cursors = resumed.filter(({ mode }) => mode === 'live' || mode === 'joining').map(({ cursor }) => cursor);
  const resumesFrom =
    cursors.toSorted()[0] ?? (resumed.length > 0 || draft.phase.kind === 'open' ? draft.position : '');
  const number = ++draft.attempts;
  draft.effects.push({ kind: 'open', attempt: number, transport, request: { channels, after: resumesFrom || 'now' } });
  return { attempt: number, transport, channels, resumesFrom, untilMs: Infinity };
}
