import { retryLater } from './transitions.ts';
import {
  createSubscriptionState,
  failSubscription,
  findSubscription,
  receiveCatchUp,
  union,
} from './subscription-state.ts';
import { closedProblem, refusesPrincipal, clientProblem } from '../errors.ts';
import { removeSubscription } from './attaching.ts';
import type { Draft, Ending, InputOf, PhaseOf } from './state.ts';

/**
 * The cells for the inputs of consumers and for the answers to their polls. They are nearly the
 * same in every phase.
 */

export function firstSubscribe(draft: Draft, input: InputOf<'subscribe'>): void {
  // Not immediately: all subscriptions of one turn of the event loop share a request.
  draft.phase = { kind: 'waiting', untilMs: draft.nowMs, why: '' };
  subscribe(draft, input);
}

export function subscribe(draft: Draft, input: InputOf<'subscribe'>): void {
  draft.subscriptions.push(createSubscriptionState(input));
  if (union(draft.subscriptions).length > draft.settings.channelsMax) {
    failSubscription(draft, input.id, clientProblem('too_many_channels', 'Too many channels.'));
  }
}

export function closedSubscribe(draft: Draft, input: InputOf<'subscribe'>, phase: PhaseOf<'closed'>): void {
  failSubscription(draft, input.id, phase.problem ?? closedProblem());
}

export function unsubscribe(draft: Draft, { id }: InputOf<'unsubscribe'>): void {
  const subscription = findSubscription(draft, id);
  if (subscription) removeSubscription(draft, subscription);
}

export function drained(draft: Draft, { id, capacity }: InputOf<'drained'>): void {
  const subscription = findSubscription(draft, id);
  if (!subscription) return;
  subscription.capacity = capacity;
  if (subscription.mode === 'full' && capacity > 0) subscription.mode = 'behind';
}

export function polled(draft: Draft, { id, pollNumber, result }: InputOf<'polled'>): void {
  const subscription = findSubscription(draft, id);
  if (subscription?.pollNumber !== pollNumber) return;
  if ('events' in result) return receiveCatchUp(draft, subscription, result);
  const { problem, hintMs } = result as Partial<Extract<Ending, { kind: 'refused' }>>;
  // A refusal of the credentials or the origin also ends the stream's attempt, which may have
  // another token then. So the stream decides.
  const isOfConnection = draft.phase.kind !== 'open' && problem && refusesPrincipal(problem);
  if (problem?.retryable === false && !isOfConnection) return failSubscription(draft, id, problem);
  subscription.pollNumber = 0;
  retryLater(draft, subscription, hintMs);
}
