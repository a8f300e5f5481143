import { openSuccessor } from './transitions.ts';
import { becomeLive, catchUp, covers, latest, onStream, startOf, union } from './subscription-state.ts';
import {
  isStreaming,
  OPERATIONS_TRANSPORT,
  type Connecting,
  type Draft,
  type SubscriptionState,
  type Open,
} from './state.ts';

/** How subscriptions come onto, and leave, a stream that is open. */

/** Finds every subscription its way onto the stream, and keeps the stream's channels in step with what is wanted. */
export function reconcileSubscriptions(draft: Draft): void {
  const { phase } = draft;
  if (!isStreaming(phase)) return;
  for (const subscription of draft.subscriptions) reconcileSubscription(draft, phase, subscription);
  if (phase.kind !== 'open') return;
  if (phase.transport === OPERATIONS_TRANSPORT) return removeUnusedChannels(draft, phase, phase.channels);
  const wantedChannels = union(draft.subscriptions.filter(onStream));
  const { successor } = phase;
  const coming = successor === undefined || successor.isProbe ? phase.channels : successor.channels;
  if (covers(coming, wantedChannels) && covers(union(draft.subscriptions), coming)) return;
  openSuccessor(draft, phase);
}

/** A subscription ends. What was asked for it, and nobody else wants, is taken back. */
export function removeSubscription(draft: Draft, subscription: SubscriptionState): void {
  draft.subscriptions = draft.subscriptions.filter((other) => other !== subscription);
  const { phase } = draft;
  if (subscription.mode !== 'attaching' || phase.kind !== 'open') return;
  removeUnusedChannels(
    draft,
    phase,
    subscription.channels.filter((channel) => !phase.channels.includes(channel)),
  );
}

function reconcileSubscription(draft: Draft, phase: Connecting | Open, subscription: SubscriptionState): void {
  const { mode, pollNumber, retryAtMs, channels } = subscription;
  if (retryAtMs !== Infinity && retryAtMs > draft.nowMs) return;
  if (mode === 'behind' && pollNumber === 0) return catchUp(draft, subscription);
  if (mode !== 'new' && mode !== 'joining') return;
  const { after = 'now', history } = startOf(subscription);
  if (phase.kind === 'connecting') {
    // The past does not wait for the stream: a proxy may swallow an upgrade, and say nothing.
    if (mode === 'new' && (history !== undefined || after !== 'now')) catchUp(draft, subscription);
    return;
  }
  const missing = channels.filter((channel) => !phase.channels.includes(channel));
  if (missing.length > 0 && phase.transport === OPERATIONS_TRANSPORT)
    return attach(draft, phase, subscription, missing);
  // It has caught up, and waits only for its channels to be part of the stream.
  if (mode === 'joining' && missing.length > 0) return;
  const now = latest(draft.position, subscription.catchUpThrough);
  const begin = history !== undefined || after === 'earliest' ? '' : after === 'now' ? now : after;
  if (mode === 'new' && missing.length === 0 && begin >= now) becomeLive(draft, subscription, begin);
  else catchUp(draft, subscription);
}

/** The past is never asked for with the operation: a stream does not bring a second time what it has, to no member. */
function attach(draft: Draft, { attempt }: Open, subscription: SubscriptionState, channels: readonly string[]): void {
  subscription.mode = 'attaching';
  subscription.retryAtMs = draft.nowMs + 2 * draft.settings.readyTimeoutMs;
  draft.effects.push({ kind: 'attach', attempt, id: subscription.id, channels });
}

/** Takes those of the channels back that nobody wants. */
function removeUnusedChannels(draft: Draft, phase: Open, candidates: readonly string[]): void {
  const wantedChannels = union(draft.subscriptions);
  const channels = candidates.filter((channel) => !wantedChannels.includes(channel));
  if (channels.length === 0) return;
  phase.channels = phase.channels.filter((channel) => wantedChannels.includes(channel));
  draft.effects.push({ kind: 'remove', attempt: phase.attempt, channels });
}
