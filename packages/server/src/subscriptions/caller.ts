import { PolycastError } from '@polycast/protocol';
import type { Principal } from '../core/principal.ts';
import type { Subscription } from '../core/subscription/ports.ts';
import { withScope, type Desk } from '../transports/desk.ts';
import type { Handler } from '../transports/http-transport.ts';
import { allowLookingBack } from '../transports/looking-back.ts';
import { allow } from '../transports/permission.ts';
import type { Services } from '../transports/services.ts';
import type { SubscriptionParts } from './parts.ts';

/** Lets those through who have the scope `subscriptions`, of whatever channels. */
export function forCallers(
  { services }: Pick<SubscriptionParts, 'services'>,
  handle: (caller: Desk) => void | Promise<void>,
): Handler {
  return withScope(services, 'subscriptions', handle);
}

/** The same, for a subscription that the address names and the caller may see. @throws PolycastError `not_found` */
export function forOwners(
  parts: Pick<SubscriptionParts, 'services' | 'desk'>,
  handle: (caller: Desk, subscription: Subscription) => void | Promise<void>,
): Handler {
  return forCallers(parts, (caller) => handle(caller, found(parts, caller)));
}

function found({ services, desk }: Pick<SubscriptionParts, 'services' | 'desk'>, caller: Desk): Subscription {
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
  const decision = services.authority.permits(principal, 'subscriptions', channels);
  if (!decision.allowed)
    throw new PolycastError(decision.code, decision.detail, decision.by === undefined ? {} : { rule: decision.by });
  await allow(services, principal, 'subscribe', channels);
  await allowLookingBack(services, principal, channels, { after, history: undefined });
}
