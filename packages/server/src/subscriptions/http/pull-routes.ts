import { parseCursor } from '@polycast/protocol';
import type { Position } from '../../core/ports.ts';
import type { LeasedEvent, LeaseOutcome, PullOptions } from '../state/ports.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import { NO_STORE } from '../../http/headers/cache-headers.ts';
import type { Route } from '../../auth/route.ts';
import { invalidBody, integer, type Validator } from '../../http/body/json-body.ts';
import { leasedEventsJson } from '../../streams/leased-events.ts';
import { timestampOrNull } from '../../http/timestamp-text.ts';
import { authorizeDelivery, subscriptionRoute, type CurrentSubscription } from './subscription-access.ts';
import { notForPullingError } from '../state/refusals.ts';
import type { SubscriptionParts } from './parts.ts';
import { WaitingPull } from './waiting-pull.ts';

/**
 * Bounds of a request: events of one pull, and leases of one acknowledgement, release or extension.
 */
const COUNT_MAX = 1000;
const COUNT = 10;
const WAIT_SECONDS_MAX = 60;
const LEASE_LENGTH_MAX = 64;

/** The routes for workers of pull subscriptions (PROTOCOL.md section 14.6). */
export function pullRoutes(parts: SubscriptionParts): readonly Route[] {
  const route = (
    action: string,
    act: (parts: SubscriptionParts, request: AuthorizedRequest, current: CurrentSubscription) => Promise<void>,
  ): Route =>
    subscriptionRoute(parts, 'POST', `/v1/subscriptions/:id/${action}`, (request, current) =>
      act(parts, request, current),
    );
  return [route('pull', pull), route('ack', acknowledge), route('nack', release), route('extend', extend)];
}

async function pull(parts: SubscriptionParts, request: AuthorizedRequest, current: CurrentSubscription): Promise<void> {
  const { auth, feed, limits, subscriptions, settings } = parts;
  const { principal } = request;
  const members = await request.members();
  const countMax = members.optional('count', integer(1, COUNT_MAX)) ?? COUNT;
  const waitSeconds = members.optional('waitSeconds', integer(0, WAIT_SECONDS_MAX)) ?? 0;
  const leaseSeconds = members.optional('leaseSeconds', integer(1, settings.leaseMaxSeconds));
  members.rejectUnknown();
  const subscription = current();
  const { id, channels, version } = subscription.definition;
  await authorizeDelivery(parts, principal, channels, undefined);
  request.check();
  // The wait ends with the credentials at the latest. The next request receives the reason.
  const credentialsMs = Math.max(0, principal.expiresMs - auth.clock.nowMs());
  const waitMs = Math.min(Math.min(waitSeconds, limits.pollWaitMaxSeconds) * 1000, credentialsMs);
  const bytesMax = limits.pollBytesMax;
  const leaseMs = leaseSeconds === undefined ? undefined : leaseSeconds * 1000;
  const options: PullOptions = { countMax, bytesMax, waitMs, leaseMs };
  const events = await (waitMs === 0
    ? subscriptions.pullService.pull(id, options, NEVER_CANCELLED)
    : whileWaiting(new WaitingPull(parts, request, subscription), ({ signal }) =>
        subscriptions.pullService.pull(id, options, signal),
      ));
  // The client has disconnected, so it did not receive the events.
  if (request.isClosed) return subscriptions.pullService.returnUndelivered(id, events.map(leaseOf));
  try {
    request.check();
    if (current().definition.version !== version)
      await authorizeDelivery(parts, principal, current().definition.channels, undefined);
    request.check();
  } catch (error) {
    subscriptions.pullService.returnUndelivered(id, events.map(leaseOf));
    throw error;
  }
  const pieces = [BODY_START, leasedEventsJson(feed.epoch, events), BODY_END];
  request.respondCompressed(pieces, NO_STORE);
}

async function whileWaiting<Result>(
  waiting: WaitingPull,
  wait: (waiting: WaitingPull) => Promise<Result>,
): Promise<Result> {
  try {
    return await wait(waiting);
  } finally {
    waiting.end();
  }
}

async function acknowledge(
  parts: SubscriptionParts,
  request: AuthorizedRequest,
  current: CurrentSubscription,
): Promise<void> {
  const { feed, subscriptions } = parts;
  const members = await request.members();
  const { definition } = current();
  const leases = members.optional('leases', leaseList);
  const through = members.optional('through', positionIn(feed.epoch));
  members.rejectUnknown();
  if ((leases === undefined) === (through === undefined))
    throw invalidBody('leases', 'or "through" is needed, one of them');
  if (through !== undefined) {
    const count = subscriptions.pullService.acknowledgeThrough(definition.id, through);
    return request.respondJson(200, { count, notHeld: [] });
  }
  const held = leases as readonly string[];
  request.respondJson(200, leaseResults(held, subscriptions.pullService.acknowledge(definition.id, held)));
}

async function release(
  parts: SubscriptionParts,
  request: AuthorizedRequest,
  current: CurrentSubscription,
): Promise<void> {
  const members = await request.members();
  const { definition } = current();
  const leases = members.required('leases', leaseList);
  const delaySeconds = members.optional('delaySeconds', integer(0, parts.settings.leaseMaxSeconds)) ?? 0;
  members.rejectUnknown();
  const outcomes = parts.subscriptions.pullService.release(definition.id, leases, delaySeconds * 1000);
  request.respondJson(200, leaseResults(leases, outcomes));
}

async function extend(
  parts: SubscriptionParts,
  request: AuthorizedRequest,
  current: CurrentSubscription,
): Promise<void> {
  const { auth, subscriptions, settings } = parts;
  const members = await request.members();
  const { definition } = current();
  const leases = members.required('leases', leaseList);
  const leaseSeconds = members.optional('leaseSeconds', integer(1, settings.leaseMaxSeconds));
  members.rejectUnknown();
  if (definition.delivery.kind !== 'pull') throw notForPullingError();
  const leaseMs = leaseSeconds === undefined ? definition.delivery.leaseMs : leaseSeconds * 1000;
  const outcomes = subscriptions.pullService.extend(definition.id, leases, leaseMs);
  const leaseEnds = timestampOrNull(auth.clock.nowMs() + leaseMs);
  request.respondJson(200, { ...leaseResults(leases, outcomes), leaseEnds });
}

/** The number of leases that were found, and the list of those that were not. */
function leaseResults(
  leases: readonly string[],
  outcomes: readonly LeaseOutcome[],
): { readonly count: number; readonly notHeld: readonly string[] } {
  const notHeld = leases.filter((_lease, index) => outcomes[index] === 'not_held');
  return { count: leases.length - notHeld.length, notHeld };
}

const leaseList: Validator<readonly string[]> = (value) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= COUNT_MAX &&
  value.every((lease) => typeof lease === 'string' && lease !== '' && lease.length <= LEASE_LENGTH_MAX)
    ? { value: value as readonly string[] }
    : { wrong: `must be a list of 1 to ${COUNT_MAX} leases` };

/** Validates an event's id and returns its position in this log. */
function positionIn(epoch: string): Validator<Position> {
  return (value) => {
    const cursor = typeof value === 'string' ? parseCursor(value) : undefined;
    return cursor?.epoch === epoch ? { value: cursor.position } : { wrong: "must be an event's id" };
  };
}

function leaseOf({ lease }: LeasedEvent): string {
  return lease;
}

const NEVER_CANCELLED = new AbortController().signal;
const BODY_START = Buffer.from('{"events":[');
const BODY_END = Buffer.from(']}');
