import { parseCursor, PolycastError } from '@polycast/protocol';
import type { Position } from '../core/ports.ts';
import type { LeasedEvent, LeaseOutcome, PullWish } from '../core/subscription/ports.ts';
import type { AuthorizedRequest } from '../transports/authorized-request.ts';
import { NO_STORE } from '../transports/cache-headers.ts';
import type { Route } from '../transports/route.ts';
import { invalidBody, whole, type Check } from '../transports/json-body.ts';
import { leasedJson } from '../transports/leased-events.ts';
import { timeText } from '../transports/time-text.ts';
import { allowDelivery, ownersRoute, type OwnedSubscription } from './caller.ts';
import type { SubscriptionParts } from './parts.ts';
import { WaitingPull } from './waiting-pull.ts';

/** Events of one pull, and leases of one request. */
const COUNT_MAX = 1000;
const COUNT = 10;
const WAIT_SECONDS_MAX = 60;
const LEASE_LENGTH_MAX = 64;

/** Workers' side of the pull subscriptions (PROTOCOL.md section 14.6). */
export function pullRoutes(parts: SubscriptionParts): readonly Route[] {
  const route = (
    action: string,
    act: (parts: SubscriptionParts, caller: AuthorizedRequest, owned: OwnedSubscription) => Promise<void>,
  ): Route =>
    ownersRoute(parts, 'POST', `/v1/subscriptions/:id/${action}`, (caller, owned) => act(parts, caller, owned));
  return [route('pull', pull), route('ack', acknowledge), route('nack', release), route('extend', extend)];
}

async function pull(parts: SubscriptionParts, caller: AuthorizedRequest, owned: OwnedSubscription): Promise<void> {
  const { services, desk, settings } = parts;
  const { principal } = caller;
  const members = await caller.members();
  const countMax = members.take('count', whole(1, COUNT_MAX)) ?? COUNT;
  const waitSeconds = members.take('waitSeconds', whole(0, WAIT_SECONDS_MAX)) ?? 0;
  const leaseSeconds = members.take('leaseSeconds', whole(1, settings.leaseMaxSeconds));
  members.end();
  const subscription = owned();
  const { id, channels, version } = subscription.definition;
  await allowDelivery(services, principal, channels, undefined);
  caller.check();
  // No longer than its standing lasts: the next request is told why.
  const standingMs = Math.max(0, principal.expiresMs - services.clock.nowMs());
  const waitMs = Math.min(Math.min(waitSeconds, services.settings.pollWaitMaxSeconds) * 1000, standingMs);
  const bytesMax = services.settings.pollBytesMax;
  const leaseMs = leaseSeconds === undefined ? undefined : leaseSeconds * 1000;
  const wish: PullWish = { countMax, bytesMax, waitMs, leaseMs };
  const events = await (waitMs === 0
    ? desk.pulls.pull(id, wish, NEVER)
    : whileWaiting(new WaitingPull(services, caller, subscription), ({ signal }) => desk.pulls.pull(id, wish, signal)));
  // Whoever has gone in the meantime has seen nothing of them.
  if (caller.isGone) return desk.pulls.putBack(id, events.map(leaseOf));
  try {
    caller.check();
    if (owned().definition.version !== version)
      await allowDelivery(services, principal, owned().definition.channels, undefined);
    caller.check();
  } catch (error) {
    desk.pulls.putBack(id, events.map(leaseOf));
    throw error;
  }
  const pieces = [HEAD, leasedJson(services.feed.epoch, events), TAIL];
  caller.respondCompressed(pieces, NO_STORE);
}

async function whileWaiting<Result>(
  waiting: WaitingPull,
  wait: (waiting: WaitingPull) => Promise<Result>,
): Promise<Result> {
  try {
    return await wait(waiting);
  } finally {
    waiting.over();
  }
}

async function acknowledge(
  parts: SubscriptionParts,
  caller: AuthorizedRequest,
  owned: OwnedSubscription,
): Promise<void> {
  const { services, desk } = parts;
  const members = await caller.members();
  const { definition } = owned();
  const leases = members.take('leases', leaseList);
  const through = members.take('through', positionIn(services.feed.epoch));
  members.end();
  if ((leases === undefined) === (through === undefined))
    throw invalidBody('leases', 'or "through" is needed, one of them');
  if (through !== undefined) {
    const count = desk.pulls.acknowledgeThrough(definition.id, through);
    return caller.respondJson(200, { count, notHeld: [] });
  }
  const held = leases as readonly string[];
  caller.respondJson(200, told(held, desk.pulls.acknowledge(definition.id, held)));
}

async function release(parts: SubscriptionParts, caller: AuthorizedRequest, owned: OwnedSubscription): Promise<void> {
  const members = await caller.members();
  const { definition } = owned();
  const leases = members.need('leases', leaseList);
  const delaySeconds = members.take('delaySeconds', whole(0, parts.settings.leaseMaxSeconds)) ?? 0;
  members.end();
  const outcomes = parts.desk.pulls.release(definition.id, leases, delaySeconds * 1000);
  caller.respondJson(200, told(leases, outcomes));
}

async function extend(parts: SubscriptionParts, caller: AuthorizedRequest, owned: OwnedSubscription): Promise<void> {
  const { services, desk, settings } = parts;
  const members = await caller.members();
  const { definition } = owned();
  const leases = members.need('leases', leaseList);
  const leaseSeconds = members.take('leaseSeconds', whole(1, settings.leaseMaxSeconds));
  members.end();
  if (definition.delivery.kind !== 'pull')
    throw new PolycastError('subscription_not_active', 'It is not for pulling: the hub calls a webhook.');
  const leaseMs = leaseSeconds === undefined ? definition.delivery.leaseMs : leaseSeconds * 1000;
  const outcomes = desk.pulls.extend(definition.id, leases, leaseMs);
  const leaseEnds = timeText(services.clock.nowMs() + leaseMs);
  caller.respondJson(200, { ...told(leases, outcomes), leaseEnds });
}

/** How many leases it went well with, and which are not held. */
function told(
  leases: readonly string[],
  outcomes: readonly LeaseOutcome[],
): { readonly count: number; readonly notHeld: readonly string[] } {
  const notHeld = leases.filter((_lease, index) => outcomes[index] === 'not_held');
  return { count: leases.length - notHeld.length, notHeld };
}

const leaseList: Check<readonly string[]> = (value) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= COUNT_MAX &&
  value.every((lease) => typeof lease === 'string' && lease !== '' && lease.length <= LEASE_LENGTH_MAX)
    ? { value: value as readonly string[] }
    : { wrong: `must be a list of 1 to ${COUNT_MAX} leases` };

/** An event's id, as a place in this log. */
function positionIn(epoch: string): Check<Position> {
  return (value) => {
    const cursor = typeof value === 'string' ? parseCursor(value) : undefined;
    return cursor?.epoch === epoch ? { value: cursor.position } : { wrong: "must be an event's id" };
  };
}

function leaseOf({ lease }: LeasedEvent): string {
  return lease;
}

const NEVER = new AbortController().signal;
const HEAD = Buffer.from('{"events":[');
const TAIL = Buffer.from(']}');
