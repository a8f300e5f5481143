import { openSuccessor } from './transitions.ts';
import { becomeLive, catchUp, covers, latest, onStream, startOf, uncovered, union } from './subscription-state.ts';
import {
  hasAttempt,
  OPERATIONS_TRANSPORT,
  type Connecting,
  type Draft,
  type SubscriptionState,
  type Open,
} from './state.ts';

/**
 * Attaching: the way in which subscriptions join and leave an open stream. For example, a
 * subscription to `orders.42` asks the stream for the channel, catches up by a poll if it has to,
 * and is live.
 */

/**
 * Moves each subscription towards the stream, and makes the stream's channels match those of the
 * subscriptions.
 */
export function reconcileSubscriptions(draft: Draft): void {
  const { phase } = draft;
  if (!hasAttempt(phase)) return;
  for (const subscription of draft.subscriptions) reconcileSubscription(draft, phase, subscription);
  if (phase.kind !== 'open') return;
  if (phase.transport === OPERATIONS_TRANSPORT) return removeUnusedChannels(draft, phase, phase.channels);
  const wantedChannels = union(draft.subscriptions.filter(onStream));
  const { successor } = phase;
  const coming = successor && !successor.isProbe ? successor.channels : phase.channels;
  if (covers(coming, wantedChannels) && covers(union(draft.subscriptions), coming)) return;
  openSuccessor(draft, phase);
}

/**
 * Ends a subscription. Removes those of its channels that no other subscription uses from the
 * stream.
 */
export function removeSubscription(draft: Draft, subscription: SubscriptionState): void {
  draft.subscriptions = draft.subscriptions.filter((other) => other !== subscription);
  const { phase } = draft;
  if (subscription.mode !== 'attaching' || phase.kind !== 'open') return;
  removeUnusedChannels(draft, phase, uncovered(phase.channels, subscription.channels));
}

function reconcileSubscription(draft: Draft, phase: Connecting | Open, subscription: SubscriptionState): void {
  const { mode, pollNumber, retryAtMs, channels } = subscription;
  if (retryAtMs !== Infinity && retryAtMs > draft.nowMs) return;
  if (mode === 'behind' && pollNumber === 0) return catchUp(draft, subscription);
  if (mode !== 'new' && mode !== 'joining') return;
  const { after = 'now', history } = startOf(subscription);
  if (phase.kind === 'connecting') {
    // The poll for past events does not wait for the stream: a proxy may swallow an upgrade without
    // an answer.
    if (mode === 'new' && (history !== undefined || after !== 'now')) catchUp(draft, subscription);
    return;
  }
  const missing = uncovered(phase.channels, channels);
  if (missing.length > 0 && phase.transport === OPERATIONS_TRANSPORT)
    return attach(draft, phase, subscription, missing);
  // It has caught up, and only waits until its channels are part of the stream.
  if (mode === 'joining' && missing.length > 0) return;
  const now = latest(draft.position, subscription.catchUpThrough);
  const begin = history !== undefined || after === 'earliest' ? '' : after === 'now' ? now : after;
  if (mode === 'new' && missing.length === 0 && begin >= now) becomeLive(draft, subscription, begin);
  else catchUp(draft, subscription);
}

/**
 * Asks the stream for channels, but never for past events: a stream does not deliver an event
 * twice, not even to another subscription.
 */
function attach(draft: Draft, { attempt }: Open, subscription: SubscriptionState, channels: readonly string[]): void {
  subscription.mode = 'attaching';
  subscription.retryAtMs = draft.nowMs + 2 * draft.settings.readyTimeoutMs;
  draft.effects.push({ kind: 'attach', attempt, id: subscription.id, channels });
}

/** Removes those of the channels that no subscription uses from the stream. */
function removeUnusedChannels(draft: Draft, phase: Open, candidates: readonly string[]): void {
  const channels = uncovered(union(draft.subscriptions), candidates);
  if (channels.length === 0) return;
  phase.channels = uncovered(channels, phase.channels);
  draft.effects.push({ kind: 'remove', attempt: phase.attempt, channels });
}
