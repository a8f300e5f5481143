import { parseCursor, PolycastError, TYPE_LENGTH_MAX } from '@polycast/protocol';
import * as z from 'zod';
import type { SubscriptionDefinition } from '../state/definition.ts';
import type { ReplayRequest, Sample } from '../state/ports.ts';
import { relationOf } from '../../core/access/pattern-relation.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import type { AuthorizedRoute } from '../../auth/route.ts';
import { routeMaker } from '../../auth/route-maker.ts';
import {
  integer,
  nonEmptyText,
  noMembers,
  parseBody,
  refuse,
  thrownRefusal,
  requiring,
  timestamp,
} from '../../http/body/body-schema.ts';
import { invalidBody } from '../../http/refusals.ts';
import { json, response } from '../../http/route-description.ts';
import { anyValue, cursorOr } from '../../http/openapi/schemas.ts';
import { readQuery } from '../../http/query-parameter.ts';
import { resolveStart } from '../../core/start.ts';
import {
  authorizeDelivery,
  checkIfMatch,
  checkUnchanged,
  subscriptionResource,
  type CurrentSubscription,
  type SubscriptionRouteDescription,
} from './subscription-access.ts';
import { channelMember, START_RULE } from './bodies/definition-body.ts';
import { checkSignature, givenOrNewSecret, SECRET_MEMBERS } from './bodies/delivery-body.ts';
import { attempt, IF_MATCH, newSubscription, replay, shownSubscription } from './schemas.ts';
import { startPosition } from './bodies/subscription-body.ts';
import { notActiveError } from '../state/refusals.ts';
import type { SubscriptionParts } from './parts.ts';
import { positionAt } from '../state/position-at.ts';
import { attemptJson, etagHeader, replayJson, subscriptionJson } from './bodies/subscription-json.ts';

/** Default time for which the previous secret also signs: one day. */
const OVERLAP_SECONDS = 86_400;
const OVERLAP_SECONDS_MAX = 30 * 86_400;

/** The action routes of a subscription (PROTOCOL.md section 14.1). */
export function actionRoutes(subscriptionParts: SubscriptionParts): readonly AuthorizedRoute[] {
  const parts: ActionParts = { ...subscriptionParts, bodies: actionBodies(subscriptionParts) };
  const { bodies } = parts;
  const resource = subscriptionResource(parts);
  const route = routeMaker({
    ...resource,
    describe: ({ errors = [], ...own }: SubscriptionRouteDescription) =>
      resource.describe({ parameters: [IF_MATCH], errors: [...errors, 'precondition_failed'], ...own }),
    prepare(request) {
      const [, current] = resource.prepare(request);
      // `If-Match` is checked after the body is read, in the same turn of the event loop as the
      // effect.
      const matching: CurrentSubscription = () => {
        const subscription = current();
        checkIfMatch(request, subscription);
        return subscription;
      };
      return [parts, request, matching] as const;
    },
  });
  return [
    route('POST', '/pause', setState('pause'), () => ({
      operationId: 'pauseSubscription',
      summary: 'Pauses deliveries. New events wait in the log.',
      responses: [shownSubscription(parts, 200, 'Paused.')],
      errors: ['subscription_not_active'],
    })),
    route('POST', '/resume', setState('resume'), () => ({
      operationId: 'resumeSubscription',
      summary: 'Resumes deliveries. For a pending subscription, repeats the verification.',
      details:
        'Events of a webhook that wait for another attempt are attempted immediately, also if it was `active`. For a `pending` subscription the response has the state after the verification: `active`, `pending` or `ended`. The newest attempt has the reason. Less than 5 s after the last verification: `429 rate_limited`.',
      responses: [shownSubscription(parts, 200, 'The subscription: active, or in the state after the verification.')],
      errors: ['subscription_not_active', 'rate_limited'],
    })),
    route('POST', '/test', test, () => ({
      operationId: 'testSubscription',
      summary: 'Sends a sample event immediately and returns the attempt.',
      details: 'The endpoint must be verified.',
      bodies: [json(bodies.test, 'The channel, type and data of the sample; optional.')],
      isBodyOptional: true,
      responses: [response(200, 'The attempt, with any outcome.', json(attempt(), 'The attempt.'))],
      errors: ['subscription_not_active'],
    })),
    route('POST', '/rotate-secret', rotate, () => ({
      operationId: 'rotateSubscriptionSecret',
      summary: 'Creates a new signing secret.',
      details: 'During the overlap, requests carry signatures with both secrets.',
      bodies: [json(bodies.rotation, 'Optional.')],
      isBodyOptional: true,
      responses: [newSubscription(parts, 200, 'Rotated.')],
      errors: ['subscription_not_active'],
    })),
    route('POST', '/replay', startReplay, () => ({
      operationId: 'replaySubscription',
      summary: 'Delivers stored events again, in addition to new ones.',
      bodies: [json(bodies.replay, 'From where.', { after: 'earliest' })],
      responses: [response(202, 'Begun.', json(replay(), 'The replay.'))],
      errors: ['invalid_cursor', 'subscription_not_active', 'overloaded'],
    })),
    replaysRoute(parts),
  ];
}

function replaysRoute(parts: SubscriptionParts): AuthorizedRoute {
  return routeMaker(subscriptionResource(parts))(
    'GET',
    '/replays',
    (request, current) => {
      readQuery(request.query, []);
      const replays = parts.subscriptions.replays(current().definition.id);
      request.respondJson(200, { replays: replays.map((each) => replayJson(parts, each)) });
    },
    () => ({
      operationId: 'listReplays',
      summary: 'Lists the replays in progress.',
      responses: [
        response(200, 'All replays in progress.', json(z.object({ replays: z.array(replay()) }), 'The replays.')),
      ],
      errors: ['invalid_parameter'],
    }),
  );
}

interface ActionParts extends SubscriptionParts {
  readonly bodies: ReturnType<typeof actionBodies>;
}

function actionBodies(parts: SubscriptionParts) {
  return {
    test: z.strictObject({
      channel: channelMember.exactOptional(),
      type: nonEmptyText(TYPE_LENGTH_MAX)
        .meta({ examples: ['order.paid'] })
        .exactOptional(),
      data: anyValue({ examples: [{ total: 42 }] }).exactOptional(),
    }),
    rotation: z
      .strictObject({
        ...SECRET_MEMBERS,
        overlapSeconds: integer(0, OVERLAP_SECONDS_MAX).default(OVERLAP_SECONDS),
      })
      .check(checkSignature)
      .meta({ id: 'NewSecret' }),
    replay: z
      .strictObject({
        after: replayStart(parts).exactOptional(),
        since: timestamp().exactOptional(),
        channel: channelMember.exactOptional(),
      })
      .check((context) => {
        const { after, since } = context.value;
        if ((after === undefined) === (since === undefined))
          refuse(context, 'or "since" is required, and not both', ['after']);
      })
      .meta({ id: 'NewReplay', description: 'Either `after` or `since`.' }),
  };
}

function setState(action: 'pause' | 'resume') {
  return async (parts: ActionParts, request: AuthorizedRequest, current: CurrentSubscription): Promise<void> => {
    await request.parse(noMembers);
    const subscription = await parts.subscriptions[action](current().definition.id, request.actor);
    request.respondJson(200, subscriptionJson(parts, subscription), etagHeader(subscription));
  };
}

async function test(parts: ActionParts, request: AuthorizedRequest, current: CurrentSubscription): Promise<void> {
  const body = await request.object();
  const subscription = current();
  const given = parseBody(parts.bodies.test, body);
  const { definition, status } = subscription;
  const { channel = sampleChannel(definition.channels), type = definition.types?.[0] } = given;
  checkCovered(definition, channel);
  if (type !== undefined && definition.types?.includes(type) === false)
    throw invalidBody('type', 'is not a type of the subscription');
  if (definition.delivery.kind === 'pull')
    throw notActiveError(status.state, 'A pull subscription has no endpoint to test.');
  if (status.state === 'ended') throw notActiveError('ended', 'The subscription has ended.');
  const known = type === undefined ? undefined : parts.eventTypes.get(type)?.sample;
  const own = 'data' in given ? JSON.stringify(given.data) : undefined;
  // The caller decides the content that the endpoint receives, so it needs the permission to
  // publish, although the sample is marked.
  if (own !== undefined) await request.authorize('publish', [channel]);
  checkUnchanged(current, subscription);
  const sample: Sample = { channel, type, data: own ?? known ?? '{}' };
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

async function rotate(parts: ActionParts, request: AuthorizedRequest, current: CurrentSubscription): Promise<void> {
  const body = await request.object();
  const { definition, status } = current();
  const { overlapSeconds, ...given } = parseBody(parts.bodies.rotation, body);
  const secret = givenOrNewSecret(given);
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

async function startReplay(
  parts: ActionParts,
  request: AuthorizedRequest,
  current: CurrentSubscription,
): Promise<void> {
  const body = await request.object();
  const subscription = current();
  const { after, since: sinceMs, channel } = parseBody(parts.bodies.replay, body);
  const { definition } = subscription;
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

/** As a start, without `now`, because nothing follows it. */
function replayStart({ log }: SubscriptionParts): z.ZodString {
  const schema = cursorOr('earliest').check((context) => {
    const { value } = context;
    if (value === 'now') refuse(context, 'must be a cursor or earliest');
    else if (value !== 'earliest' && parseCursor(value) === undefined)
      refuse(
        context,
        new PolycastError('invalid_cursor', 'It must be a cursor or "earliest". For a time, give "since".', {
          parameter: 'after',
        }),
      );
    else {
      const unresolved = thrownRefusal(() => resolveStart(value, log.state, 'after'));
      if (unresolved !== undefined) refuse(context, unresolved);
    }
  });
  return requiring(schema, START_RULE);
}
