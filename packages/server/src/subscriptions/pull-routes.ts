import { parseCursor, PolycastError } from '@polycast/protocol';
import type { Position } from '../core/ports.ts';
import type { LeasedEvent, LeaseOutcome, PullWish, Subscription } from '../core/subscription/ports.ts';
import { respondCompressed } from '../transports/compress.ts';
import { respondJson, timeText, type Desk } from '../transports/desk.ts';
import type { Route } from '../transports/http-transport.ts';
import { invalidBody, Members, readObject, whole, type Check } from '../transports/json-body.ts';
import { leasedJson } from '../transports/leased-events.ts';
import { allowDelivery, forOwners } from './caller.ts';
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
    act: (parts: SubscriptionParts, caller: Desk, subscription: Subscription) => Promise<void>,
  ): Route => ({
    method: 'POST',
    path: `/v1/subscriptions/:id/${action}`,
    handle: forOwners(parts, (caller, subscription) => act(parts, caller, subscription)),
  });
  return [route('pull', pull), route('ack', acknowledge), route('nack', release), route('extend', extend)];
}

async function pull(parts: SubscriptionParts, caller: Desk, subscription: Subscription): Promise<void> {
  const { services, desk, settings } = parts;
  const { principal, response } = caller;
  const members = new Members(await readObject(services, caller.request));
  const countMax = members.take('count', whole(1, COUNT_MAX)) ?? COUNT;
  const waitSeconds = members.take('waitSeconds', whole(0, WAIT_SECONDS_MAX)) ?? 0;
  const leaseSeconds = members.take('leaseSeconds', whole(1, settings.leaseMaxSeconds));
  members.end();
  const { id, channels } = subscription.definition;
  await allowDelivery(services, principal, channels, undefined);
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
  if (response.destroyed) return desk.pulls.putBack(id, events.map(leaseOf));
  const pieces = [HEAD, leasedJson(services.feed.epoch, events), TAIL];
  respondCompressed(response, 200, 'application/json', pieces, ['Cache-Control', 'no-store']);
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

async function acknowledge(parts: SubscriptionParts, caller: Desk, { definition }: Subscription): Promise<void> {
  const { services, desk } = parts;
  const members = new Members(await readObject(services, caller.request));
  const leases = members.take('leases', leaseList);
  const through = members.take('through', positionIn(services.feed.epoch));
  members.end();
  if ((leases === undefined) === (through === undefined))
    throw invalidBody('leases', 'or "through" is needed, one of them');
  if (through !== undefined) {
    const count = desk.pulls.acknowledgeThrough(definition.id, through);
    return respondJson(caller.response, 200, { count, notHeld: [] });
  }
  const held = leases as readonly string[];
  respondJson(caller.response, 200, told(held, desk.pulls.acknowledge(definition.id, held)));
}

async function release(parts: SubscriptionParts, caller: Desk, { definition }: Subscription): Promise<void> {
  const members = new Members(await readObject(parts.services, caller.request));
  const leases = members.need('leases', leaseList);
  const delaySeconds = members.take('delaySeconds', whole(0, parts.settings.leaseMaxSeconds)) ?? 0;
  members.end();
  const outcomes = parts.desk.pulls.release(definition.id, leases, delaySeconds * 1000);
  respondJson(caller.response, 200, told(leases, outcomes));
}

async function extend(parts: SubscriptionParts, caller: Desk, { definition }: Subscription): Promise<void> {
  const { services, desk, settings } = parts;
  const members = new Members(await readObject(services, caller.request));
  const leases = members.need('leases', leaseList);
  const leaseSeconds = members.take('leaseSeconds', whole(1, settings.leaseMaxSeconds));
  members.end();
  if (definition.delivery.kind !== 'pull')
    throw new PolycastError('subscription_not_active', 'It is not for pulling: the hub calls a webhook.');
  const leaseMs = leaseSeconds === undefined ? definition.delivery.leaseMs : leaseSeconds * 1000;
  const outcomes = desk.pulls.extend(definition.id, leases, leaseMs);
  const leaseEnds = timeText(services.clock.nowMs() + leaseMs);
  respondJson(caller.response, 200, { ...told(leases, outcomes), leaseEnds });
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
