import type { ErrorCode, Problem } from '@polycast/protocol';
import { covers, failSubscription, onStream, union } from './subscription-state.ts';
import {
  isStreaming,
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

/** From which transport to which, and when: the ways between `connecting`, `open`, `waiting` and `closed`. */

/** A proven transport that fails this often before being stable again is no longer tried first. */
export const PROVEN_FAILURES_MAX = 3;

/** Opens the first of these transports; the others are tried, without waiting, if it does not come to deliver. */
export function connect(
  draft: Draft,
  [transport, ...rest]: readonly TransportName[] = transportsToTry(draft),
  why = '',
): void {
  if (transport === undefined) return waitToReconnect(draft, why);
  draft.hintMs = 0;
  draft.phase = { ...startAttempt(draft, transport), kind: 'connecting', rest };
}

/** Opens another stream beside the current one, which goes on until the other delivers: nothing is lost between. */
export function openSuccessor(
  draft: Draft,
  phase: Open,
  transport: TransportName = phase.transport,
  isProbe = false,
): void {
  // Without a subscription nothing goes on for long, and there is nothing to ask for.
  if (draft.subscriptions.length === 0) return;
  drop(draft, phase.successor);
  phase.successor = { ...startAttempt(draft, transport), isProbe };
}

/** A stream that delivered is no more. */
export function loseStream(draft: Draft, { ending }: { readonly ending: Ending }, phase: Open): void {
  drop(draft, phase.successor);
  draft.subscriptions.forEach(leaveStream);
  if (!phase.stable) draft.provenFailures++;
  handleEnding(draft, ending, () => waitToReconnect(draft, reasonOf(ending), draft.hintMs));
}

/** What a stream that is no more leaves of a member: what was only asked for has to be asked for again. */
export function leaveStream(subscription: SubscriptionState): void {
  subscription.heldEvents = undefined;
  // A catch-up goes on: it asks the hub, and not the stream.
  if (subscription.mode === 'behind' || (subscription.cursor !== '' && subscription.mode !== 'attaching')) return;
  subscription.mode = subscription.cursor === '' ? 'new' : 'joining';
  subscription.pollNumber = 0;
  subscription.retryAtMs = Infinity;
}

/** An attempt has ended before it delivered; silence, from the proven transport, says that what buffers it will do so again. */
export function failAttempt(
  draft: Draft,
  { ending }: { readonly ending: Ending },
  phase: Connecting,
  provenFailures = 1,
): void {
  if (phase.transport === draft.provenTransport) draft.provenFailures += provenFailures;
  handleEnding(draft, ending, () => connect(draft, phase.rest, reasonOf(ending)));
}

/** The transports to try, in order: the proven one alone, while it is trusted; else all, the best first. */
export function transportsToTry({
  provenTransport,
  provenFailures,
  settings: { transports },
}: State): readonly TransportName[] {
  if (provenTransport === undefined) return transports;
  return provenFailures < PROVEN_FAILURES_MAX
    ? [provenTransport]
    : [...transports.filter((name) => name !== provenTransport), provenTransport];
}

/** An attempt, or a stream, that did not do what it was to do in time. */
export function abandonAttempt(draft: Draft, target: { readonly attempt: number }): { readonly ending: Ending } {
  drop(draft, target);
  return { ending: { kind: 'lost', why: 'silent' } };
}

/** Closes for good, with the problem that all subscriptions end with, if there is one. */
export function close(draft: Draft, why: string, problem?: Problem): void {
  const { phase } = draft;
  if (isStreaming(phase)) drop(draft, phase);
  if (phase.kind === 'open') drop(draft, phase.successor);
  if (problem !== undefined) for (const { id } of draft.subscriptions) failSubscription(draft, id, problem);
  draft.subscriptions = [];
  draft.phase = { kind: 'closed', why, problem };
}

export function drop(draft: Draft, target: { readonly attempt: number } | undefined): void {
  if (target !== undefined) draft.effects.push({ kind: 'drop', attempt: target.attempt });
}

/** When the next better transport is tried: later with each time that it did not hold. */
export function probeAtMs({ settings, probes, nowMs, chance }: Draft, transport: TransportName): number {
  if (settings.transports.indexOf(transport) <= 0) return Infinity;
  const spanMs = Math.min(settings.probeCapMs, settings.probeBaseMs * 2 ** Math.min(probes, 30));
  return nowMs + spanMs * (0.5 + chance / 2);
}

/** Waits some seconds before a member's next try. */
export function retryLater(draft: Draft, subscription: SubscriptionState, hintMs = 0): void {
  subscription.retryAtMs = draft.nowMs + hintMs + draft.settings.backoffBaseMs * (1 + 8 * draft.chance);
}

function waitToReconnect(draft: Draft, why: string, hintMs = 0): void {
  const { backoffBaseMs, backoffCapMs } = draft.settings;
  const jitterMs = backoffMs(draft.failures++, draft.chance, backoffBaseMs, backoffCapMs);
  draft.phase = { kind: 'waiting', untilMs: draft.nowMs + hintMs + jitterMs, why };
}

/** What an ending asks for: to stop, to wait as told, or else whatever the phase does about a loss. */
function handleEnding(draft: Draft, ending: Ending, otherwise: () => void): void {
  if (ending.kind === 'refused') return handleRefusal(draft, ending);
  const then = ending.kind === 'closed' ? afterClose(ending.code) : 'reconnect';
  if (then === 'back-off') return waitToReconnect(draft, reasonOf(ending), draft.hintMs);
  // A hub that stops an attempt before `ready` says why to the next transport, as a problem document.
  if (ending.kind !== 'closed' || then === 'reconnect' || draft.phase.kind === 'connecting') return otherwise();
  stop(draft, clientProblem(CODE_OF_CLOSE[ending.code] ?? 'invalid_message', `The hub ${reasonOf(ending)}.`), true);
}

function handleRefusal(draft: Draft, { problem, hintMs }: Extract<Ending, { kind: 'refused' }>): void {
  if (problem.retryable) return waitToReconnect(draft, problem.code, Math.max(hintMs, draft.hintMs));
  const { phase } = draft;
  const isConnecting = phase.kind === 'connecting';
  // It may be some channel that is refused, and not the connection.
  if (problem['channel'] === undefined && (!isConnecting || phase.from !== '' || refusesPrincipal(problem)))
    return stop(draft, problem);
  if (!isConnecting) return waitToReconnect(draft, problem.code);
  const [first, ...others] = draft.subscriptions.filter(({ channels }) => covers(phase.channels, channels));
  if (first !== undefined && covers(first.channels, phase.channels)) failSubscription(draft, first.id, problem);
  else {
    // One of several asks for what it may not have: the others are to have theirs, and so they come one by one.
    draft.oneByOne = true;
    others.forEach(catchUpByPoll);
  }
  connect(draft);
}

/** Has a member come back to the stream by a poll of its own channels, which shows whether it may have them. */
function catchUpByPoll(subscription: SubscriptionState): void {
  if (!onStream(subscription)) return;
  subscription.mode = 'behind';
  subscription.wasLive = false;
}

/**
 * There is no use in trying again, unless with another token. A close code alone does not say why: a site that was not there to be
 * asked may be back, so it is tried once without one, if there is a transport that is told why it is refused.
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
 * Opens a stream. It goes on from the oldest cursor of those that it delivers to; those that are behind or full see to
 * themselves. The first of all begins with what comes: what members want of the past is polled for.
 */
function startAttempt(draft: Draft, transport: TransportName): Attempt {
  const { subscriptions } = draft;
  // Before the first stream there is nothing to resume: a member that has caught up already does so once more.
  const resumed = draft.position === '' ? [] : subscriptions.filter(onStream);
  const channels = union(resumed.length > 0 ? resumed : subscriptions.slice(0, draft.oneByOne ? 1 : Infinity));
  const cursors = resumed.filter(({ mode }) => mode === 'live' || mode === 'joining').map(({ cursor }) => cursor);
  const from = cursors.toSorted()[0] ?? (resumed.length > 0 || draft.phase.kind === 'open' ? draft.position : '');
  const number = ++draft.attempts;
  draft.effects.push({ kind: 'open', attempt: number, transport, request: { channels, after: from || 'now' } });
  return { attempt: number, transport, channels, from, untilMs: Infinity };
}
