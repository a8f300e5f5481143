import { parseCursor, PolycastError } from '@polycast/protocol';
import type { SubscriptionDefinition } from '../core/subscription/definition.ts';
import type { ReplayWish, Sample } from '../core/subscription/ports.ts';
import { relationOf } from '../core/pattern-relation.ts';
import type { AuthorizedRequest } from '../transports/authorized-request.ts';
import type { Route } from '../transports/route.ts';
import { invalidBody, shortText, time, whole, type Check } from '../transports/json-body.ts';
import { singles } from '../transports/single-parameters.ts';
import { allowDelivery, checkUnchanged, ownersRoute, type OwnedSubscription } from './caller.ts';
import { channelOf, startCheck } from './definition-body.ts';
import { takeSecret } from './delivery-body.ts';
import { beginningOf } from './new-subscription.ts';
import type { SubscriptionParts } from './parts.ts';
import { positionAt } from './position-at.ts';
import { keepToIfMatch } from './preconditions.ts';
import { attemptJson, etagHeader, replayJson, subscriptionJson } from './resource.ts';

/** How long the secret before signs as well, unless something else is said: one day. */
const OVERLAP_SECONDS = 86_400;
const OVERLAP_SECONDS_MAX = 30 * 86_400;
const TYPE_LENGTH_MAX = 200;

/** What can be done with a subscription (PROTOCOL.md section 14.1). */
export function actionRoutes(parts: SubscriptionParts): readonly Route[] {
  const { desk } = parts;
  // What a condition is about is looked at when the body is there, in the turn of the effect.
  const route = (action: string, act: (caller: AuthorizedRequest, owned: OwnedSubscription) => Promise<void>): Route =>
    ownersRoute(parts, 'POST', `/v1/subscriptions/:id/${action}`, (caller, owned) =>
      act(caller, () => {
        const subscription = owned();
        keepToIfMatch(caller, subscription);
        return subscription;
      }),
    );
  const moved = (action: 'pause' | 'resume'): Route =>
    route(action, async (caller, owned) => {
      (await caller.members()).end();
      const subscription = await desk[action](owned().definition.id, caller.actor);
      caller.respondJson(200, subscriptionJson(parts, subscription), etagHeader(subscription));
    });
  return [
    moved('pause'),
    moved('resume'),
    route('test', (caller, owned) => test(parts, caller, owned)),
    route('rotate-secret', (caller, owned) => rotate(parts, caller, owned)),
    route('replay', (caller, owned) => replay(parts, caller, owned)),
    ownersRoute(parts, 'GET', '/v1/subscriptions/:id/replays', (caller, owned) => {
      singles(caller.query, []);
      const replays = desk.replays(owned().definition.id);
      caller.respondJson(200, { replays: replays.map((each) => replayJson(parts, each)) });
    }),
  ];
}

async function test(parts: SubscriptionParts, caller: AuthorizedRequest, owned: OwnedSubscription): Promise<void> {
  const members = await caller.members();
  const subscription = owned();
  const { definition, standing } = subscription;
  const channel = members.take('channel', channelOf) ?? sampleChannel(definition.channels);
  const type = members.take('type', shortText(TYPE_LENGTH_MAX)) ?? definition.types?.[0];
  const given = members.take('data', (value) => ({ value: JSON.stringify(value) }));
  members.end();
  checkCovered(definition, channel);
  if (type !== undefined && definition.types?.includes(type) === false)
    throw invalidBody('type', 'is none of the subscription');
  if (definition.delivery.kind === 'pull') throw notNow(standing.state, 'Nothing is sent to workers: they pull.');
  if (standing.state === 'ended') throw notNow('ended', 'It has ended.');
  const known = type === undefined ? undefined : parts.sampleOf(type);
  // What the endpoint is made to read is a publisher's word, though it be marked.
  if (given !== undefined) await caller.allow('publish', [channel]);
  checkUnchanged(owned, subscription);
  const sample: Sample = { channel, type, data: given ?? known ?? '{}' };
  caller.respondJson(200, attemptJson(await parts.desk.test(definition.id, sample, caller.actor), true));
}

/** @throws PolycastError `invalid_body` */
function checkCovered({ channels }: SubscriptionDefinition, channel: string): void {
  if (!channels.some((pattern) => relationOf(pattern, channel) === 'covers'))
    throw invalidBody('channel', 'is none of the subscription');
}

/** The first channel, a token such as any in the place of each wildcard. */
function sampleChannel([first = 'sample']: readonly string[]): string {
  return first
    .split('.')
    .map((token) => (token === '*' || token === '>' ? 'sample' : token))
    .join('.');
}

async function rotate(parts: SubscriptionParts, caller: AuthorizedRequest, owned: OwnedSubscription): Promise<void> {
  const members = await caller.members();
  const { definition, standing } = owned();
  const secret = takeSecret(members);
  const overlapSeconds = members.take('overlapSeconds', whole(0, OVERLAP_SECONDS_MAX)) ?? OVERLAP_SECONDS;
  members.end();
  if (definition.delivery.kind === 'pull') throw notNow(standing.state, 'Only webhooks are signed.');
  if (definition.delivery.dialect === 'websub') throw notNow(standing.state, "A WebSub secret is the subscriber's.");
  const rotated = await parts.desk.rotateSecret(definition.id, secret.text, overlapSeconds * 1000, caller.actor);
  caller.respondJson(200, subscriptionJson(parts, rotated, secret.text), etagHeader(rotated));
}

async function replay(parts: SubscriptionParts, caller: AuthorizedRequest, owned: OwnedSubscription): Promise<void> {
  const members = await caller.members();
  const subscription = owned();
  const { definition } = subscription;
  const after = members.take('after', replayAfter(parts));
  const sinceMs = members.take('since', time);
  const channel = members.take('channel', channelOf);
  members.end();
  if ((after === undefined) === (sinceMs === undefined))
    throw invalidBody('after', 'or "since" is needed, one of them');
  if (channel !== undefined) checkCovered(definition, channel);
  const { services } = parts;
  const channels = channel === undefined ? definition.channels : [channel];
  await allowDelivery(services, caller.principal, channels, after ?? 'earliest');
  const { cursor, lost } =
    sinceMs === undefined
      ? await beginningOf(parts, after as string, channels)
      : { cursor: await positionAt(services.feed, sinceMs), lost: undefined };
  const wish: ReplayWish = { after: cursor, channel, lost };
  checkUnchanged(owned, subscription);
  caller.respondJson(202, replayJson(parts, await parts.desk.replay(definition.id, wish, caller.actor)));
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
