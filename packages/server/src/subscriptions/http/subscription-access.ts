import { PolycastError } from '@polycast/protocol';
import type { Principal } from '../../core/access/principal.ts';
import type { SubscriptionDefinition } from '../state/definition.ts';
import type { Subscription } from '../state/ports.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import { authorizeHistory } from '../../auth/history-permission.ts';
import { authorize, checkScope } from '../../auth/permission.ts';
import type { RouteAddress, AuthorizedRoute, Route } from '../../http/route.ts';
import type { Services } from '../../http/services.ts';
import type { SubscriptionParts } from './parts.ts';

/** A route for those who have the scope `subscriptions`, of whatever channels. */
export function scopedRoute(method: RouteAddress['method'], path: string, handle: AuthorizedRoute['handle']): Route {
  return { method, path, requires: 'subscriptions', handle };
}

/**
 * The subscription that the address names, as it is now, to be looked up again after every wait: another may have changed it, or
 * whom it is for. @throws PolycastError `not_found` where the caller may not see it
 */
export type CurrentSubscription = () => Subscription;

/**
 * What was asked for was allowed of the subscription as it was then; to be called in the turn of the effect.
 * @throws PolycastError `precondition_failed` when another has changed it since
 */
export function checkUnchanged(current: CurrentSubscription, { definition }: Pick<Subscription, 'definition'>): void {
  if (current().definition.version !== definition.version)
    throw new PolycastError('precondition_failed', 'The subscription was changed at the same time.');
}

/** The same, for a subscription that the address names and the caller may see. */
export function subscriptionRoute(
  parts: Pick<SubscriptionParts, 'services' | 'subscriptions'>,
  method: RouteAddress['method'],
  path: string,
  handle: (request: AuthorizedRequest, current: CurrentSubscription) => void | Promise<void>,
): Route {
  return scopedRoute(method, path, (request) => {
    const current = (): Subscription => visibleSubscription(parts, request);
    // Before a body is read.
    current();
    return handle(request, current);
  });
}

function visibleSubscription(
  { services, subscriptions }: Pick<SubscriptionParts, 'services' | 'subscriptions'>,
  request: AuthorizedRequest,
): Subscription {
  const subscription = subscriptions.get(request.parameters['id'] ?? '');
  if (subscription === undefined || !maySee(services, request.principal, subscription))
    throw new PolycastError('not_found', 'There is no such subscription.');
  return subscription;
}

/** Whether the patterns of the caller's scope cover all that a subscription means. */
export function maySee({ authority }: Services, principal: Principal, { definition }: Subscription): boolean {
  return authority.hasScope(principal, 'subscriptions', definition.channels).allowed;
}

/**
 * Whether a caller may know of what a subscription was sent at a time. Channels that were taken from it are not kept: of what was sent
 * before, only those may know who may know of all channels.
 */
export function mayKnow(
  { authority }: Services,
  principal: Principal,
  { narrowedMs = -Infinity }: SubscriptionDefinition,
  sentMs: number,
): boolean {
  return sentMs > narrowedMs || authority.hasScope(principal, 'subscriptions', ['>']).allowed;
}

/** Whether the patterns of the caller's scope cover a channel, which the subscription may have no more. */
export function mayKnowChannel({ authority }: Services, principal: Principal, channel: string): boolean {
  return authority.hasScope(principal, 'subscriptions', [channel]).allowed;
}

/**
 * Whether somebody may have events of these channels delivered.
 * @param after from where, when they shall begin in the past
 * @throws PolycastError `unauthorized`, `forbidden`, `identity_unavailable`
 */
export async function authorizeDelivery(
  services: Services,
  principal: Principal,
  channels: readonly string[],
  after: string | undefined,
): Promise<void> {
  checkScope(services, principal, 'subscriptions', channels);
  await authorize(services, principal, 'subscribe', channels);
  await authorizeHistory(services, principal, channels, { after, history: undefined });
}
