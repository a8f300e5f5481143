import { parseCursor, PolycastError } from '@polycast/protocol';
import { singleParameters } from '../../http/query.ts';
import type { SubscriptionDefinition } from '../state/definition.ts';
import type { ReplayRequest, Sample } from '../state/ports.ts';
import { relationOf } from '../../core/access/pattern-relation.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import type { Route } from '../../auth/route.ts';
import { invalidBody, nonEmptyText, timestamp, integer, type Validator } from '../../http/body/json-body.ts';
import {
  authorizeDelivery,
  checkIfMatch,
  checkUnchanged,
  subscriptionRoute,
  type CurrentSubscription,
} from './subscription-access.ts';
import { channelOf, startCheck } from './bodies/definition-body.ts';
import { readSecret } from './bodies/delivery-body.ts';
import { startPosition } from './bodies/subscription-body.ts';
import { notActiveError } from '../state/refusals.ts';
import type { SubscriptionParts } from './parts.ts';
import { positionAt } from '../state/position-at.ts';
import { attemptJson, etagHeader, replayJson, subscriptionJson } from './bodies/subscription-json.ts';

/** Default time for which the previous secret also signs: one day. */
const OVERLAP_SECONDS = 86_400;
const OVERLAP_SECONDS_MAX = 30 * 86_400;
const TYPE_LENGTH_MAX = 200;

/** The action routes of a subscription (PROTOCOL.md section 14.1). */
export function actionRoutes(parts: SubscriptionParts): readonly Route[] {
  const { subscriptions } = parts;
  // `If-Match` is checked after the body is read, in the same turn of the event loop as the effect.
  const route = (
    action: string,
    act: (request: AuthorizedRequest, current: CurrentSubscription) => Promise<void>,
  ): Route =>
    subscriptionRoute(parts, 'POST', `/v1/subscriptions/:id/${action}`, (request, current) =>
      act(request, () => {
        const subscription = current();
        checkIfMatch(request, subscription);
        return subscription;
      }),
    );
  const stateRoute = (action: 'pause' | 'resume'): Route =>
    route(action, async (request, current) => {
      (await request.members()).rejectUnknown();
      const subscription = await subscriptions[action](current().definition.id, request.actor);
      request.respondJson(200, subscriptionJson(parts, subscription), etagHeader(subscription));
    });
  return [
    stateRoute('pause'),
    stateRoute('resume'),
    route('test', (request, current) => test(parts, request, current)),
    route('rotate-secret', (request, current) => rotate(parts, request, current)),
    route('replay', (request, current) => replay(parts, request, current)),
    subscriptionRoute(parts, 'GET', '/v1/subscriptions/:id/replays', (request, current) => {
      singleParameters(request.query, []);
      const replays = subscriptions.replays(current().definition.id);
      request.respondJson(200, { replays: replays.map((each) => replayJson(parts, each)) });
    }),
  ];
}

async function test(parts: SubscriptionParts, request: AuthorizedRequest, current: CurrentSubscription): Promise<void> {
  const members = await request.members();
  const subscription = current();
  const { definition, status } = subscription;
  const channel = members.optional('channel', channelOf) ?? sampleChannel(definition.channels);
  const type = members.optional('type', nonEmptyText(TYPE_LENGTH_MAX)) ?? definition.types?.[0];
  const given = members.optional('data', (value) => ({ value: JSON.stringify(value) }));
  members.rejectUnknown();
  checkCovered(definition, channel);
  if (type !== undefined && definition.types?.includes(type) === false)
    throw invalidBody('type', 'is not a channel of the subscription');
  if (definition.delivery.kind === 'pull')
    throw notActiveError(status.state, 'A pull subscription has no endpoint to test.');
  if (status.state === 'ended') throw notActiveError('ended', 'The subscription has ended.');
  const known = type === undefined ? undefined : parts.eventTypes.get(type)?.sample;
  // The caller decides the content that the endpoint receives, so it needs the permission to
  // publish, although the sample is marked.
  if (given !== undefined) await request.authorize('publish', [channel]);
  checkUnchanged(current, subscription);
  const sample: Sample = { channel, type, data: given ?? known ?? '{}' };
  request.respondJson(
    200,
    attemptJson(parts, await parts.subscriptions.test(definition.id, sample, request.actor), true),
  );
}

/** @throws PolycastError `invalid_body` */
function checkCovered({ channels }: SubscriptionDefinition, channel: string): void {
  if (!channels.some((pattern) => relationOf(pattern, channel) === 'covers'))
    throw invalidBody('channel', 'is not a channel of the subscription');
}

/** The first channel of the subscription, with `sample` in the place of each wildcard. */
function sampleChannel([first = 'sample']: readonly string[]): string {
  return first
    .split('.')
    .map((token) => (token === '*' || token === '>' ? 'sample' : token))
    .join('.');
}

async function rotate(
  parts: SubscriptionParts,
  request: AuthorizedRequest,
  current: CurrentSubscription,
): Promise<void> {
  const members = await request.members();
  const { definition, status } = current();
  const secret = readSecret(members);
  const overlapSeconds = members.optional('overlapSeconds', integer(0, OVERLAP_SECONDS_MAX)) ?? OVERLAP_SECONDS;
  members.rejectUnknown();
  if (definition.delivery.kind === 'pull') throw notActiveError(status.state, 'Only webhooks have a secret.');
  const { rotationRefusal } = parts.dialects.get(definition.delivery.dialect);
  if (rotationRefusal !== undefined) throw notActiveError(status.state, rotationRefusal);
  const rotated = await parts.subscriptions.rotateSecret(
    definition.id,
    secret.text,
    overlapSeconds * 1000,
    request.actor,
  );
  request.respondJson(200, subscriptionJson(parts, rotated, secret.text), etagHeader(rotated));
}

async function replay(
  parts: SubscriptionParts,
  request: AuthorizedRequest,
  current: CurrentSubscription,
): Promise<void> {
  const members = await request.members();
  const subscription = current();
  const { definition } = subscription;
  const after = members.optional('after', replayAfter(parts));
  const sinceMs = members.optional('since', timestamp);
  const channel = members.optional('channel', channelOf);
  members.rejectUnknown();
  if ((after === undefined) === (sinceMs === undefined))
    throw invalidBody('after', 'or "since" is needed, one of them');
  if (channel !== undefined) checkCovered(definition, channel);
  const channels = channel === undefined ? definition.channels : [channel];
  await authorizeDelivery(parts, request.principal, channels, after ?? 'earliest');
  const { cursor, lost } =
    sinceMs === undefined
      ? await startPosition(parts, after as string, channels)
      : { cursor: await positionAt(parts.feed, sinceMs), lost: undefined };
  const replayRequest: ReplayRequest = { after: cursor, channel, lost };
  checkUnchanged(current, subscription);
  request.respondJson(
    202,
    replayJson(parts, await parts.subscriptions.replay(definition.id, replayRequest, request.actor)),
  );
}

/**
 * Validates like a start, but rejects `now`, because nothing follows it.
 * @throws PolycastError `invalid_cursor`
 */
function replayAfter(parts: SubscriptionParts): Validator<string> {
  const check = startCheck(parts, 'after');
  return (value) => {
    if (value === 'now') return { wrong: 'must be a cursor or earliest' };
    if (typeof value === 'string' && value !== 'earliest' && parseCursor(value) === undefined)
      throw new PolycastError('invalid_cursor', 'It must be a cursor or "earliest".', { parameter: 'after' });
    return check(value);
  };
}
