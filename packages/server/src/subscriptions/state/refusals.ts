import { PolycastError } from '@polycast/protocol';
import type { SubscriptionState } from './definition.ts';

/** The refusals of requests about a subscription: each sentence stands here alone. */
export function noSuchSubscription(): PolycastError {
  return new PolycastError('not_found', 'The subscription does not exist.');
}

export function notActiveError(state: SubscriptionState, detail = `The subscription is ${state}.`): PolycastError {
  return new PolycastError('subscription_not_active', detail, { state });
}

export function notForPullingError(): PolycastError {
  return new PolycastError('subscription_not_active', 'The subscription is a webhook and cannot be pulled.');
}

export function notForSendingError(): PolycastError {
  return new PolycastError('subscription_not_active', 'The subscription is a pull subscription and has no endpoint.');
}
