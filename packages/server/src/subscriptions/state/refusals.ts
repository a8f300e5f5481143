import { PolycastError } from '@polycast/protocol';
import type { SubscriptionState } from './definition.ts';

/** The refusals of requests about a subscription: each sentence stands here alone. */
export function noSuchSubscription(): PolycastError {
  return new PolycastError('not_found', 'There is no such subscription.');
}

export function notActiveError(state: SubscriptionState, detail = `It is ${state}.`): PolycastError {
  return new PolycastError('subscription_not_active', detail, { state });
}

export function notForPullingError(): PolycastError {
  return new PolycastError('subscription_not_active', 'It is not for pulling: the hub calls a webhook.');
}

export function notForSendingError(): PolycastError {
  return new PolycastError('subscription_not_active', 'It is for pulling: no endpoint is sent anything.');
}
