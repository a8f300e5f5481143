import { call } from '../../kit/http.ts';
import { startHubProcess, type HubProcess } from '../../kit/hub-process.ts';
import { until } from '../../kit/wait.ts';
import { CALLERS, type KeyName, type Purse } from '../callers.ts';
import { CHANNELS } from '../channels.ts';
import { ask, createKey, firstKey } from './keys.ts';
import { SESSION_COOKIE, startSite } from './site.ts';
import { ISSUER, signToken, TOKEN_COOKIE } from './tokens.ts';

/** A hub with rules, keys, tokens and a site, and something to read in every channel of the table. */
export interface World {
  readonly hub: HubProcess;
  readonly purse: Purse;
  /** What the channel's first event is known by, and its id. */
  readonly first: (channel: string) => Place;
  /** What its second event is known by. */
  readonly second: (channel: string) => Place;
}

export interface Place {
  readonly id: string;
  readonly secret: string;
}

/** What waits in the user's private channel. */
export function letterTo(user: string): string {
  return `a letter to ${user}, and to nobody else`;
}

/** The port of RFC 863, which nobody serves. */
export const NOBODY = '127.0.0.1:9';

const SECRET = 'a secret of at least thirty-two bytes';

export async function startWorld(more: Readonly<Record<string, unknown>> = {}): Promise<World> {
  const site = await startSite();
  const hub = await startHubProcess({
    config: {
      access: 'rules',
      rules: CHANNELS.flatMap(({ rule }) => (rule === undefined ? [] : [rule])),
      identity: {
        tokenCookie: TOKEN_COOKIE,
        site: { ...site, cookies: [SESSION_COOKIE], failuresMax: 1000 },
        tokens: [{ issuer: ISSUER, audience: 'polycast', keys: [{ algorithm: 'HS256', secret: SECRET }] }],
      },
      // Endpoints to try with, where nobody listens.
      outgoing: { allow: [NOBODY] },
      subscriptions: { trustedEndpoints: [`http://${NOBODY}`] },
      ...more,
    },
  });
  const admin = await firstKey(hub);
  const keys = await createKeys(hub.url, admin);
  const users = new Set(CALLERS.flatMap(({ user }) => user ?? []));
  const letters = [...users].map((user) => ({ user, data: letterTo(user) }));
  await ask(hub.url, admin, 'POST', '/v1/users/events', letters);
  const places = await fill(hub.url, admin);
  await ask(hub.url, admin, 'POST', '/v1/revocations', { token: 'revoked' });
  await ask(hub.url, admin, 'POST', '/v1/revocations', { user: '66' });
  const purse: Purse = {
    token: (user, claims) => signToken(SECRET, user, claims),
    forgedToken: () => signToken(`not ${SECRET}`, '7'),
    key: (name) => keys[name],
  };
  const placeIn = (channel: string, index: number): Place => places.get(channel)?.[index] as Place;
  return { hub, purse, first: (channel) => placeIn(channel, 0), second: (channel) => placeIn(channel, 1) };
}

async function createKeys(hub: string, admin: string): Promise<Readonly<Record<KeyName, string>>> {
  const all = { publish: ['>'], subscribe: ['>'] };
  const create = (name: string, scopes: object, more?: object): Promise<string> =>
    createKey(hub, admin, name, scopes, more);
  const revoked = await create('revoked', all);
  await ask(hub, admin, 'POST', '/v1/revocations', { key: revoked.split('_')[1] });
  return {
    admin,
    administration: await create('administration', { admin: ['>'] }),
    full: await create('full', all),
    narrow: await create('narrow', { publish: ['elsewhere.>'], subscribe: ['elsewhere.>'] }),
    subscriptions: await create('subscriptions', { subscriptions: ['>'] }),
    deliveries: await create('deliveries', { subscriptions: ['deliveries.>'], subscribe: ['deliveries.>'] }),
    others: await create('others', { subscriptions: ['elsewhere.>'], subscribe: ['deliveries.>'] }),
    users: await create('users', { users: ['>'] }),
    expired: await expire(hub, await create('expired', all, { expires: new Date(Date.now() + 1000).toISOString() })),
    revoked,
  };
}

/** Waits until a key is good for nothing. */
async function expire(hub: string, key: string): Promise<string> {
  const headers = { Authorization: `Bearer ${key}` };
  await until('the key expires', async () => (await call(`${hub}/v1/channels/none`, { headers })).status === 401);
  return key;
}

/** A key that changes nothing whoever gets at it: for one caller to try something with. */
export async function keyToTry({ hub, purse }: World): Promise<string> {
  const wish = { name: 'to try', scopes: { publish: ['nothing'] } };
  const { id } = await ask<{ id: string }>(hub.url, purse.key('admin'), 'POST', '/v1/keys', wish);
  return id;
}

/** The channel whose subscriptions the callers are tried with. */
export const DELIVERED = 'deliveries.try';

/** A webhook for one caller to try something with: its endpoint does not answer, and nothing is tried twice. */
export async function subscriptionToTry({ hub, purse }: World, channel: string = DELIVERED): Promise<string> {
  const delivery = { kind: 'webhook', url: `http://${NOBODY}/`, retryDelaysSeconds: [] };
  const wish = { channels: [channel], delivery };
  const { id } = await ask<{ id: string }>(hub.url, purse.key('admin'), 'POST', '/v1/subscriptions', wish);
  return id;
}

/** A queue for one caller to try something with. */
export async function queueToTry({ hub, purse }: World): Promise<string> {
  const wish = { channels: [DELIVERED], delivery: { kind: 'pull' } };
  const { id } = await ask<{ id: string }>(hub.url, purse.key('admin'), 'POST', '/v1/subscriptions', wish);
  return id;
}

/** A webhook with an event that it has given up on. */
export async function deadLetterToTry(
  world: World,
): Promise<{ readonly subscription: string; readonly event: string }> {
  const admin = world.purse.key('admin');
  // Its own, so that it waits for nobody else's events.
  const channel = `${DELIVERED}.letter-${++letters}`;
  const subscription = await subscriptionToTry(world, channel);
  const publication = { channel, data: 'tried' };
  const { id } = await ask<{ id: string }>(world.hub.url, admin, 'POST', '/v1/events', publication);
  const headers = { Authorization: `Bearer ${admin}` };
  const url = `${world.hub.url}/v1/subscriptions/${subscription}/dead-letters/${id}`;
  await until('the event is given up on', async () => (await call(url, { headers })).status === 200);
  return { subscription, event: id };
}

let letters = 0;

/** A hook for one caller to try something with, at an address of its own. */
export async function hookToTry({ hub, purse }: World): Promise<{ readonly id: string; readonly target_url: string }> {
  const wish = { target_url: `http://${NOBODY}/hook-${++hooks}`, event: DELIVERED };
  return ask(hub.url, purse.key('admin'), 'POST', '/v1/hooks', wish);
}

let hooks = 0;

/** Two events in every channel: the first is what somebody who comes now has missed. */
async function fill(hub: string, admin: string): Promise<ReadonlyMap<string, readonly Place[]>> {
  const places = new Map<string, Place[]>();
  for (const { channel } of CHANNELS) {
    for (const turn of ['first', 'second']) {
      const secret = `the ${turn} secret of ${channel}`;
      const { id } = await ask<{ id: string }>(hub, admin, 'POST', '/v1/events', { channel, data: secret });
      places.set(channel, [...(places.get(channel) ?? []), { id, secret }]);
    }
  }
  return places;
}
