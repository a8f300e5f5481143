import { parseCursor } from '@polycast/protocol';
import * as z from 'zod';
import type { PullOptions } from '../state/pull-service.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import { NO_STORE } from '../../http/headers/cache-headers.ts';
import type { Route } from '../../auth/route.ts';
import { routeMaker } from '../../auth/route-maker.ts';
import { integer, parseBody, refuse, requiring } from '../../http/body/body-schema.ts';
import { json, response } from '../../http/route-description.ts';
import { count, cursor, named, shortText, time } from '../../http/openapi/schemas.ts';
import { timestampOrNull } from '../../http/timestamp-text.ts';
import {
  authorizeDelivery,
  subscriptionResource,
  type CurrentSubscription,
  type SubscriptionRouteDescription,
} from './subscription-access.ts';
import { LEASE_LENGTH_MAX, LEASES_MAX, leasedEventsJson, leaseOf, leaseResults } from './leased-events-json.ts';
import { LEASE, leasedEvent } from './schemas.ts';
import { notForPullingError } from '../state/refusals.ts';
import type { SubscriptionParts } from './parts.ts';
import { WaitingPull } from './waiting-pull.ts';

/** Events of one pull. */
const COUNT_MAX = 1000;
const COUNT = 10;
const WAIT_SECONDS_MAX = 60;

/** The routes for workers of pull subscriptions (PROTOCOL.md section 14.6). */
export function pullRoutes(subscriptionParts: SubscriptionParts): readonly Route[] {
  const parts: PullParts = { ...subscriptionParts, bodies: pullBodies(subscriptionParts) };
  const { bodies } = parts;
  const resource = subscriptionResource(parts);
  const route = routeMaker({
    ...resource,
    describe: (own: SubscriptionRouteDescription) =>
      resource.describe({ section: '14.6', errors: ['subscription_not_active'], ...own }),
    prepare: (request) => [parts, ...resource.prepare(request)] as const,
  });
  return [
    route('POST', '/pull', pull, () => ({
      operationId: 'pullEvents',
      summary: 'Returns events to a worker, each with a lease. Can wait for the first event.',
      bodies: [json(bodies.pull, 'Optional.')],
      isBodyOptional: true,
      responses: [response(200, 'Done.', json(pulledSchema(), 'The events; the list may be empty.'))],
      errors: ['subscription_not_active', 'too_many_connections'],
    })),
    route('POST', '/ack', acknowledge, () => ({
      operationId: 'acknowledgeEvents',
      summary: 'Acknowledges events.',
      bodies: [json(bodies.acknowledgement, 'One of the two members.', { leases: [LEASE] })],
      responses: [response(200, 'Done.', json(z.object(COUNTED), 'How many.'))],
    })),
    route('POST', '/nack', release, () => ({
      operationId: 'giveBackEvents',
      summary: 'Releases events. The hub delivers them again.',
      bodies: [json(bodies.release, 'The leases, and the delay before the next delivery.')],
      responses: [response(200, 'Done.', json(z.object(COUNTED), 'How many.'))],
    })),
    route('POST', '/extend', extend, () => ({
      operationId: 'extendLeases',
      summary: 'Extends or shortens leases.',
      bodies: [json(bodies.extension, 'The leases and their new duration from now.')],
      responses: [
        response(
          200,
          'Done.',
          json(z.object({ ...COUNTED, leaseEnds: time() }), 'The number of leases and their new end.'),
        ),
      ],
    })),
  ];
}

interface PullParts extends SubscriptionParts {
  readonly bodies: ReturnType<typeof pullBodies>;
}

function pullBodies({ feed, settings }: SubscriptionParts) {
  const { epoch } = feed;
  const leases = requiring(
    z.array(shortText(LEASE_LENGTH_MAX, LEASE)).min(1).max(LEASES_MAX),
    `must be a list of 1 to ${LEASES_MAX} leases`,
  );
  const through = cursor()
    .describe('All leased events up to and including this one.')
    .transform((text, context) => {
      const event = parseCursor(text);
      if (event?.epoch !== epoch) context.issues.push({ code: 'custom', input: text });
      return event?.position ?? 0;
    });
  return {
    pull: z.strictObject({
      count: integer(1, COUNT_MAX).default(COUNT),
      waitSeconds: integer(0, WAIT_SECONDS_MAX).default(0),
      leaseSeconds: integer(1, settings.leaseMaxSeconds)
        .describe('The default is that of the subscription.')
        .exactOptional(),
    }),
    acknowledgement: z
      .strictObject({
        leases: leases.exactOptional(),
        through: requiring(through, "must be an event's id").exactOptional(),
      })
      .check((context) => {
        const { leases: given, through: end } = context.value;
        if ((given === undefined) === (end === undefined))
          refuse(context, 'or "through" is required, and not both', ['leases']);
      }),
    release: z.strictObject({ leases, delaySeconds: integer(0, settings.leaseMaxSeconds).default(0) }),
    extension: z.strictObject({ leases, leaseSeconds: integer(1, settings.leaseMaxSeconds).exactOptional() }),
  };
}

const pulledSchema = named('LeasedEvents', () => z.object({ events: z.array(leasedEvent()) }));

const COUNTED = {
  count: count('Leases for which the operation succeeded.'),
  notHeld: z.array(z.string()).describe('Leases that have ended or never existed.'),
};

async function pull(parts: PullParts, request: AuthorizedRequest, current: CurrentSubscription): Promise<void> {
  const { auth, feed, limits, pullService } = parts;
  const { principal } = request;
  const { count: countMax, waitSeconds, leaseSeconds } = await request.parse(parts.bodies.pull);
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
    ? pullService.pull(id, options, NEVER_CANCELLED)
    : whileWaiting(new WaitingPull(parts, request, subscription), ({ signal }) =>
        pullService.pull(id, options, signal),
      ));
  // The client has disconnected, so it did not receive the events.
  if (request.isClosed) return pullService.returnUndelivered(id, events.map(leaseOf));
  try {
    request.check();
    if (current().definition.version !== version)
      await authorizeDelivery(parts, principal, current().definition.channels, undefined);
    request.check();
  } catch (error) {
    pullService.returnUndelivered(id, events.map(leaseOf));
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

async function acknowledge(parts: PullParts, request: AuthorizedRequest, current: CurrentSubscription): Promise<void> {
  const { pullService, bodies } = parts;
  const body = await request.object();
  const { definition } = current();
  const { leases: held = [], through } = parseBody(bodies.acknowledgement, body);
  if (through !== undefined) {
    const count = pullService.acknowledgeThrough(definition.id, through);
    return request.respondJson(200, { count, notHeld: [] });
  }
  request.respondJson(200, leaseResults(held, pullService.acknowledge(definition.id, held)));
}

async function release(parts: PullParts, request: AuthorizedRequest, current: CurrentSubscription): Promise<void> {
  const body = await request.object();
  const { definition } = current();
  const { leases, delaySeconds } = parseBody(parts.bodies.release, body);
  const outcomes = parts.pullService.release(definition.id, leases, delaySeconds * 1000);
  request.respondJson(200, leaseResults(leases, outcomes));
}

async function extend(parts: PullParts, request: AuthorizedRequest, current: CurrentSubscription): Promise<void> {
  const { auth, pullService, bodies } = parts;
  const body = await request.object();
  const { definition } = current();
  const { leases, leaseSeconds } = parseBody(bodies.extension, body);
  if (definition.delivery.kind !== 'pull') throw notForPullingError();
  const leaseMs = leaseSeconds === undefined ? definition.delivery.leaseMs : leaseSeconds * 1000;
  const outcomes = pullService.extend(definition.id, leases, leaseMs);
  const leaseEnds = timestampOrNull(auth.clock.nowMs() + leaseMs);
  request.respondJson(200, { ...leaseResults(leases, outcomes), leaseEnds });
}

const NEVER_CANCELLED = new AbortController().signal;
const BODY_START = Buffer.from('{"events":[');
const BODY_END = Buffer.from(']}');
