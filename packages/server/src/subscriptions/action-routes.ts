import { parseCursor, PolycastError } from '@polycast/protocol';
import type { ReplayWish, Sample, Subscription } from '../core/subscription/ports.ts';
import { relationOf } from '../core/pattern-relation.ts';
import { respondJson, type Desk } from '../transports/desk.ts';
import type { Route } from '../transports/http-transport.ts';
import { invalidBody, Members, readObject, shortText, time, whole, type Check } from '../transports/json-body.ts';
import { singles } from '../transports/single-parameters.ts';
import { allowDelivery, forOwners } from './caller.ts';
import { channelOf, startCheck } from './definition-body.ts';
import { takeSecret } from './delivery-body.ts';
import { beginningOf } from './new-subscription.ts';
import type { SubscriptionParts } from './parts.ts';
import { positionAt } from './position-at.ts';
import { keepToIfMatch } from './preconditions.ts';
import { attemptJson, etagOf, replayJson, subscriptionJson } from './resource.ts';

/** How long the secret before signs as well, unless something else is said: one day. */
const OVERLAP_SECONDS = 86_400;
const OVERLAP_SECONDS_MAX = 30 * 86_400;
const TYPE_LENGTH_MAX = 200;

/** What can be done with a subscription (PROTOCOL.md section 14.1). */
export function actionRoutes(parts: SubscriptionParts): readonly Route[] {
  const { desk } = parts;
  const route = (action: string, act: (caller: Desk, subscription: Subscription) => Promise<void>): Route => ({
    method: 'POST',
    path: `/v1/subscriptions/:id/${action}`,
    handle: forOwners(parts, (caller, subscription) => {
      keepToIfMatch(caller.request, subscription);
      return act(caller, subscription);
    }),
  });
  const moved = (action: 'pause' | 'resume'): Route =>
    route(action, async (caller, { definition }) => {
      (await bodyOf(parts, caller)).end();
      const subscription = await desk[action](definition.id, caller.actor);
      respondJson(caller.response, 200, subscriptionJson(parts, subscription), ['ETag', etagOf(subscription)]);
    });
  return [
    moved('pause'),
    moved('resume'),
    route('test', (caller, subscription) => test(parts, caller, subscription)),
    route('rotate-secret', (caller, subscription) => rotate(parts, caller, subscription)),
    route('replay', (caller, subscription) => replay(parts, caller, subscription)),
    {
      method: 'GET',
      path: '/v1/subscriptions/:id/replays',
      handle: forOwners(parts, ({ response, query }, { definition }) => {
        singles(query, []);
        respondJson(response, 200, { replays: desk.replays(definition.id).map((each) => replayJson(parts, each)) });
      }),
    },
  ];
}

async function bodyOf({ services }: SubscriptionParts, { request }: Desk): Promise<Members> {
  return new Members(await readObject(services, request));
}

async function test(parts: SubscriptionParts, caller: Desk, subscription: Subscription): Promise<void> {
  const members = await bodyOf(parts, caller);
  const { definition, standing } = subscription;
  const channel = members.take('channel', channelOf) ?? sampleChannel(definition.channels);
  const type = members.take('type', shortText(TYPE_LENGTH_MAX)) ?? definition.types?.[0];
  const given = members.take('data', (value) => ({ value: JSON.stringify(value) }));
  members.end();
  if (definition.delivery.kind === 'pull') throw notNow(standing.state, 'Nothing is sent to workers: they pull.');
  if (standing.state === 'ended') throw notNow('ended', 'It has ended.');
  const known = type === undefined ? undefined : parts.sampleOf(type);
  const sample: Sample = { channel, type, data: given ?? known ?? '{"test":true}' };
  respondJson(caller.response, 200, attemptJson(await parts.desk.test(definition.id, sample, caller.actor)));
}

/** The first channel, a token such as any in the place of each wildcard. */
function sampleChannel([first = 'sample']: readonly string[]): string {
  return first
    .split('.')
    .map((token) => (token === '*' || token === '>' ? 'sample' : token))
    .join('.');
}

async function rotate(parts: SubscriptionParts, caller: Desk, { definition, standing }: Subscription): Promise<void> {
  const members = await bodyOf(parts, caller);
  const secret = takeSecret(members);
  const overlapSeconds = members.take('overlapSeconds', whole(0, OVERLAP_SECONDS_MAX)) ?? OVERLAP_SECONDS;
  members.end();
  if (definition.delivery.kind === 'pull') throw notNow(standing.state, 'Only webhooks are signed.');
  if (definition.delivery.dialect === 'websub') throw notNow(standing.state, "A WebSub secret is the subscriber's.");
  const rotated = await parts.desk.rotateSecret(definition.id, secret.text, overlapSeconds * 1000, caller.actor);
  respondJson(caller.response, 200, subscriptionJson(parts, rotated, secret.text), ['ETag', etagOf(rotated)]);
}

async function replay(parts: SubscriptionParts, caller: Desk, { definition }: Subscription): Promise<void> {
  const members = await bodyOf(parts, caller);
  const after = members.take('after', replayAfter(parts));
  const sinceMs = members.take('since', time);
  const channel = members.take('channel', channelOf);
  members.end();
  if ((after === undefined) === (sinceMs === undefined))
    throw invalidBody('after', 'or "since" is needed, one of them');
  if (channel !== undefined && !definition.channels.some((pattern) => relationOf(pattern, channel) === 'covers'))
    throw invalidBody('channel', 'is none of the subscription');
  const { services } = parts;
  const channels = channel === undefined ? definition.channels : [channel];
  await allowDelivery(services, caller.principal, channels, after ?? 'earliest');
  const { cursor, lost } =
    sinceMs === undefined
      ? await beginningOf(parts, after as string, channels)
      : { cursor: await positionAt(services.feed, sinceMs), lost: undefined };
  const wish: ReplayWish = { after: cursor, channel, lost };
  respondJson(caller.response, 202, replayJson(parts, await parts.desk.replay(definition.id, wish, caller.actor)));
}

/** As a start, but for `now`: after that there is nothing. @throws PolycastError `invalid_cursor` */
function replayAfter(parts: SubscriptionParts): Check<string> {
  const check = startCheck(parts, 'after');
  return (value) => {
    if (value === 'now') return { wrong: 'must be a cursor or earliest' };
    if (typeof value === 'string' && value !== 'earliest' && parseCursor(value) === undefined)
      throw new PolycastError('invalid_cursor', 'A cursor or "earliest" is expected.', { parameter: 'after' });
    return check(value);
  };
}

function notNow(state: string, why: string): PolycastError {
  return new PolycastError('subscription_not_active', why, { state });
}
