import * as z from 'zod';
import { PolycastError } from '@polycast/protocol';
import { coversChannels } from '../../core/access/portal-link.ts';
import type { Principal } from '../../core/access/principal.ts';
import type { SubscriptionDefinition } from '../state/definition.ts';
import type { Subscription } from '../state/ports.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import type { AuthParts } from '../../auth/auth-parts.ts';
import { authorizeHistory, type HistoryParts } from '../../auth/history-permission.ts';
import { authorize, checkScope } from '../../auth/permission.ts';
import { SUBSCRIPTION_ID } from './schemas.ts';
import { pathParameter, type RouteDescription } from '../../http/route-description.ts';
import { routeMaker, type Resource, type RouteMaker } from '../../auth/route-maker.ts';
import { noSuchSubscription } from '../state/refusals.ts';
import { etagOf } from './bodies/subscription-json.ts';
import type { SubscriptionParts } from './parts.ts';

/** Makes a route for callers with the scope `subscriptions`, for any channels. */
export const scopedRoute: RouteMaker<readonly [AuthorizedRequest], RouteDescription> = routeMaker({
  requires: 'subscriptions',
  path: '',
  describe: (own) => own,
  prepare: (request) => [request],
});

/**
 * Looks up the subscription of the path in its present state. Call it again after every wait,
 * because another caller may have changed the subscription, or the permissions of this one.
 * @throws PolycastError `not_found` if the caller may not see the subscription
 */
export type CurrentSubscription = () => Subscription;

/**
 * Checks that the subscription is still the version that was authorized. Call it in the same turn
 * of the event loop as the effect.
 * @throws PolycastError `precondition_failed` if another caller has changed it since
 */
export function checkUnchanged(current: CurrentSubscription, { definition }: Pick<Subscription, 'definition'>): void {
  if (current().definition.version !== definition.version)
    throw new PolycastError('precondition_failed', 'The subscription was changed at the same time.');
}

/**
 * Checks `If-Match` (PROTOCOL.md section 14.1). It accepts an ETag without quotes. Returns whether
 * the header named the version.
 * @throws PolycastError `precondition_failed`
 */
export function checkIfMatch(request: AuthorizedRequest, subscription: Subscription): boolean {
  const header = request.header('if-match')?.trim();
  if (header === undefined || header === '*') return false;
  const etag = etagOf(subscription);
  const named = header.split(',').map((tag) => tag.trim());
  if (named.some((tag) => tag === etag || `"${tag}"` === etag)) return true;
  throw new PolycastError('precondition_failed');
}

/** The subscription of the path, for callers that may see it. */
export function subscriptionResource(
  parts: Pick<SubscriptionParts, 'auth' | 'subscriptions'>,
): Resource<readonly [AuthorizedRequest, CurrentSubscription], SubscriptionRouteDescription> {
  return {
    requires: 'subscriptions',
    path: '/v1/subscriptions/:id',
    describe({ parameters = [], section = '14.1', ...described }) {
      const id = pathParameter(
        'id',
        z.string().meta({ examples: [SUBSCRIPTION_ID] }),
        'The id or the name of the subscription.',
      );
      return { section, parameters: [id, ...parameters], ...described };
    },
    prepare(request) {
      const current = (): Subscription => visibleSubscription(parts, request);
      // Checks visibility before the body is read.
      current();
      return [request, current];
    },
  };
}

/**
 * The subscription of the path, for a request that removes it. A repeated request finds none before
 * the removal is durable, so the refusal waits for that.
 * @throws PolycastError as `subscriptionResource`
 */
export async function subscriptionToRemove(
  parts: Pick<SubscriptionParts, 'auth' | 'subscriptions'>,
  request: AuthorizedRequest,
): Promise<Subscription> {
  if (findVisible(parts, request) === undefined) await parts.subscriptions.whenDurable();
  return visibleSubscription(parts, request);
}

/** The description of such a route. The parameter of the subscription is added. */
export type SubscriptionRouteDescription = Omit<RouteDescription, 'section'> & { readonly section?: string };

function visibleSubscription(
  parts: Pick<SubscriptionParts, 'auth' | 'subscriptions'>,
  request: AuthorizedRequest,
): Subscription {
  const subscription = findVisible(parts, request);
  if (subscription === undefined) throw noSuchSubscription();
  return subscription;
}

function findVisible(
  { auth, subscriptions }: Pick<SubscriptionParts, 'auth' | 'subscriptions'>,
  { parameters, principal }: AuthorizedRequest,
): Subscription | undefined {
  const subscription = subscriptions.get(parameters['id'] ?? '');
  return subscription !== undefined && maySee(auth, principal, subscription) ? subscription : undefined;
}

/** Whether the patterns of the caller's scope cover all channels of a subscription. */
export function maySee(auth: AuthParts, principal: Principal, { definition }: Subscription): boolean {
  const { portal } = principal;
  if (portal !== undefined && portal.owner !== definition.customer) return false;
  return hasChannels(auth, principal, definition.channels);
}

/** Whether the caller's scope, and its portal link if it has one, cover these channels. */
function hasChannels({ authority }: AuthParts, principal: Principal, channels: readonly string[]): boolean {
  const { portal } = principal;
  return (
    authority.hasScope(principal, 'subscriptions', channels).allowed &&
    (portal === undefined || coversChannels(portal, channels))
  );
}

/**
 * Whether a caller may see the content of what a subscription sent at a time. Removed channels are
 * not stored. Therefore content from before the last removal is visible only to callers whose scope
 * covers all channels.
 */
export function mayKnow(
  auth: AuthParts,
  principal: Principal,
  { narrowedMs = -Infinity }: SubscriptionDefinition,
  sentMs: number,
): boolean {
  return sentMs > narrowedMs || hasChannels(auth, principal, ['>']);
}

/**
 * Whether the patterns of the caller's scope cover a channel, which may have been removed from the
 * subscription.
 */
export function mayKnowChannel(auth: AuthParts, principal: Principal, channel: string): boolean {
  return hasChannels(auth, principal, [channel]);
}

/**
 * Checks that a principal may have events of these channels delivered.
 * @param after the start, if it lies in the past
 * @throws PolycastError `unauthorized`, `forbidden`, `identity_unavailable`
 */
export async function authorizeDelivery(
  parts: HistoryParts,
  principal: Principal,
  channels: readonly string[],
  after: string | undefined,
): Promise<void> {
  checkScope(parts.auth, principal, 'subscriptions', channels);
  if (!hasChannels(parts.auth, principal, channels))
    throw new PolycastError('forbidden', 'The portal link does not have all of these channels.');
  await authorize(parts.auth, principal, 'subscribe', channels);
  await authorizeHistory(parts, principal, channels, { after, history: undefined });
}
