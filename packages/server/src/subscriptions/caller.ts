import { PolycastError } from '@polycast/protocol';
import type { Principal } from '../core/principal.ts';
import type { SubscriptionDefinition } from '../core/subscription/definition.ts';
import type { Subscription } from '../core/subscription/ports.ts';
import type { AuthorizedRequest } from '../transports/authorized-request.ts';
import { allowLookingBack } from '../transports/looking-back.ts';
import { allow, checkScope } from '../transports/permission.ts';
import type { Address, AuthorizedRoute, Route } from '../transports/route.ts';
import type { Services } from '../transports/services.ts';
import type { SubscriptionParts } from './parts.ts';

/** A route for those who have the scope `subscriptions`, of whatever channels. */
export function callersRoute(method: Address['method'], path: string, handle: AuthorizedRoute['handle']): Route {
  return { method, path, asks: 'subscriptions', handle };
}

/**
 * The subscription that the address names, as it is now, to be looked up again after every wait: another may have changed it, or
 * whom it is for. @throws PolycastError `not_found` where the caller may not see it
 */
export type OwnedSubscription = () => Subscription;

/**
 * What was asked for was allowed of the subscription as it was then; to be called in the turn of the effect.
 * @throws PolycastError `precondition_failed` when another has changed it since
 */
export function checkUnchanged(owned: OwnedSubscription, { definition }: Pick<Subscription, 'definition'>): void {
  if (owned().definition.version !== definition.version)
    throw new PolycastError('precondition_failed', 'The subscription was changed at the same time.');
}

/** The same, for a subscription that the address names and the caller may see. */
export function ownersRoute(
  parts: Pick<SubscriptionParts, 'services' | 'desk'>,
  method: Address['method'],
  path: string,
  handle: (caller: AuthorizedRequest, owned: OwnedSubscription) => void | Promise<void>,
): Route {
  return callersRoute(method, path, (caller) => {
    const owned = (): Subscription => found(parts, caller);
    // Before a body is read.
    owned();
    return handle(caller, owned);
  });
}

function found(
  { services, desk }: Pick<SubscriptionParts, 'services' | 'desk'>,
  caller: AuthorizedRequest,
): Subscription {
  const subscription = desk.get(caller.parameters['id'] ?? '');
  if (subscription === undefined || !maySee(services, caller.principal, subscription))
    throw new PolycastError('not_found', 'There is no such subscription.');
  return subscription;
}

/** Whether the patterns of the caller's scope cover all that a subscription means. */
export function maySee({ authority }: Services, principal: Principal, { definition }: Subscription): boolean {
  return authority.permits(principal, 'subscriptions', definition.channels).allowed;
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
  return sentMs > narrowedMs || authority.permits(principal, 'subscriptions', ['>']).allowed;
}

/** Whether the patterns of the caller's scope cover a channel, which the subscription may have no more. */
export function mayKnowChannel({ authority }: Services, principal: Principal, channel: string): boolean {
  return authority.permits(principal, 'subscriptions', [channel]).allowed;
}

/**
 * Whether somebody may have events of these channels delivered.
 * @param after from where, when they shall begin in the past
 * @throws PolycastError `unauthorized`, `forbidden`, `identity_unavailable`
 */
export async function allowDelivery(
  services: Services,
  principal: Principal,
  channels: readonly string[],
  after: string | undefined,
): Promise<void> {
  checkScope(services, principal, 'subscriptions', channels);
  await allow(services, principal, 'subscribe', channels);
  await allowLookingBack(services, principal, channels, { after, history: undefined });
}
