import { get as getPlain, type IncomingMessage } from 'node:http';
import { get as getEncrypted } from 'node:https';
import { call } from '../../kit/http.ts';
import { startHubProcess, type HubProcess } from '../../kit/hub-process.ts';
import { until } from '../../kit/wait.ts';
import { CALLERS, type KeyName, type CredentialIssuer } from '../callers.ts';
import { CHANNELS } from '../channels.ts';
import { requestWithKey, createKey, firstKey } from './keys.ts';
import { PARTNER } from './partner.ts';
import { SESSION_COOKIE, startSite } from './site.ts';
import { ISSUER, signToken, TOKEN_COOKIE } from './tokens.ts';

/** A hub with rules, keys, tokens and a site, and events in every channel of the table. */
export interface TestWorld {
  readonly hub: HubProcess;
  readonly issuer: CredentialIssuer;
  /** The text that identifies the channel's first event, and its id. */
  readonly first: (channel: string) => PublishedEvent;
  /** The text that identifies its second event. */
  readonly second: (channel: string) => PublishedEvent;
}

export interface PublishedEvent {
  readonly id: string;
  readonly secret: string;
}

/** The text of the message in the user's private channel. */
export function privateMessageTo(user: string): string {
  return `a letter to ${user}, and to nobody else`;
}

/** The port of RFC 863, on which no program listens. */
export const UNUSED_ADDRESS = '127.0.0.1:9';

const SECRET = 'a secret of at least thirty-two bytes';

export async function startWorld(more: Readonly<Record<string, unknown>> = {}): Promise<TestWorld> {
  const site = await startSite();
  const hub = await startHubProcess({
    config: {
      access: 'rules',
      rules: CHANNELS.flatMap(({ rule }) => (rule === undefined ? [] : [rule])),
      identity: {
        tokenCookie: TOKEN_COOKIE,
        site: { ...site, cookies: [SESSION_COOKIE], failuresMax: 1000, timeoutMs: 30_000 },
        tokens: [{ issuer: ISSUER, audience: 'polycast', keys: [{ algorithm: 'HS256', secret: SECRET }] }],
      },
      ingest: [PARTNER],
      // Endpoints for tests, where no program listens.
      outgoing: { allow: [UNUSED_ADDRESS] },
      subscriptions: { trustedEndpoints: [`http://${UNUSED_ADDRESS}`] },
      ...more,
    },
  });
  const admin = await firstKey(hub);
  const keys = await createKeys(hub.url, admin);
  const users = new Set(CALLERS.flatMap(({ user }) => user ?? []));
  const privateMessages = [...users].map((user) => ({ user, data: privateMessageTo(user) }));
  await requestWithKey(hub.url, admin, 'POST', '/v1/users/events', privateMessages);
  const events = await fill(hub.url, admin);
  await requestWithKey(hub.url, admin, 'POST', '/v1/revocations', { token: 'revoked' });
  await requestWithKey(hub.url, admin, 'POST', '/v1/revocations', { user: '66' });
  const issuer: CredentialIssuer = {
    token: (user, claims) => signToken(SECRET, user, claims),
    forgedToken: () => signToken(`not ${SECRET}`, '7'),
    key: (name) => keys[name],
  };
  const eventIn = (channel: string, index: number): PublishedEvent => events.get(channel)?.[index] as PublishedEvent;
  return { hub, issuer, first: (channel) => eventIn(channel, 0), second: (channel) => eventIn(channel, 1) };
}

async function createKeys(hub: string, admin: string): Promise<Readonly<Record<KeyName, string>>> {
  const all = { publish: ['>'], subscribe: ['>'] };
  const create = (name: string, scopes: object, more?: object): Promise<string> =>
    createKey(hub, admin, name, scopes, more);
  const revoked = await create('revoked', all);
  await requestWithKey(hub, admin, 'POST', '/v1/revocations', { key: revoked.split('_')[1] });
  return {
    admin,
    administration: await create('administration', { admin: ['>'] }),
    full: await create('full', all),
    narrow: await create('narrow', { publish: ['elsewhere.>'], subscribe: ['elsewhere.>'] }),
    subscriptions: await create('subscriptions', { subscriptions: ['>'] }),
    deliveries: await create('deliveries', { subscriptions: ['deliveries.>'], subscribe: ['deliveries.>'] }),
    others: await create('others', { subscriptions: ['elsewhere.>'], subscribe: ['deliveries.>'] }),
    users: await create('users', { users: ['>'] }),
    expired: await expire(hub, await createExpiring(hub, admin, all)),
    revoked,
  };
}

/** A key that expires soon. If its time is over before the hub reads of it, the next has more. */
async function createExpiring(hub: string, admin: string, scopes: object): Promise<string> {
  const headers = { Authorization: `Bearer ${admin}`, 'Content-Type': 'application/json' };
  for (let lifetimeMs = 1000; ; lifetimeMs *= 2) {
    const expires = new Date(Date.now() + lifetimeMs).toISOString();
    const body = JSON.stringify({ name: 'expired', scopes, expires });
    const reply = await call(`${hub}/v1/keys`, { method: 'POST', headers, body });
    if (reply.status === 201) return reply.json<{ key: string }>().key;
    if (!reply.text.includes('is in the past')) throw new Error(`No key: ${reply.status} ${reply.text}`);
  }
}

/** Waits until a key is invalid. */
async function expire(hub: string, key: string): Promise<string> {
  const headers = { Authorization: `Bearer ${key}` };
  await until('the key expires', async () => (await call(`${hub}/v1/channels/none`, { headers })).status === 401);
  return key;
}

/** A key for one unused channel, so that a caller can try operations on it. */
export async function keyToTry({ hub, issuer }: TestWorld): Promise<string> {
  const body = { name: 'to try', scopes: { publish: ['nothing'] } };
  const { id } = await requestWithKey<{ id: string }>(hub.url, issuer.key('admin'), 'POST', '/v1/keys', body);
  return id;
}

/** An event that a caller tries to erase. */
export async function eventToErase({ hub, issuer }: TestWorld): Promise<string> {
  const publication = { channel: 'to.erase', data: 'tried' };
  const { id } = await requestWithKey<{ id: string }>(hub.url, issuer.key('admin'), 'POST', '/v1/events', publication);
  return id;
}

/** An erasure that a caller tries to read. */
export async function erasureToRead({ hub, issuer }: TestWorld): Promise<string> {
  const path = '/v1/channels/no.such.channel';
  const { id } = await requestWithKey<{ id: string }>(hub.url, issuer.key('admin'), 'DELETE', path);
  return id;
}

/** The channel of the subscriptions that the callers try to use. */
export const DELIVERY_CHANNEL = 'deliveries.try';

/** A webhook for one caller's attempts. Its endpoint does not answer, and nothing is retried. */
export async function subscriptionToTry(
  { hub, issuer }: TestWorld,
  channel: string = DELIVERY_CHANNEL,
): Promise<string> {
  const delivery = { kind: 'webhook', url: `http://${UNUSED_ADDRESS}/`, retryDelaysSeconds: [] };
  const body = { channels: [channel], delivery };
  const { id } = await requestWithKey<{ id: string }>(hub.url, issuer.key('admin'), 'POST', '/v1/subscriptions', body);
  return id;
}

/** A queue for one caller's attempts. */
export async function queueToTry({ hub, issuer }: TestWorld): Promise<string> {
  const body = { channels: [DELIVERY_CHANNEL], delivery: { kind: 'pull' } };
  const { id } = await requestWithKey<{ id: string }>(hub.url, issuer.key('admin'), 'POST', '/v1/subscriptions', body);
  return id;
}

/** A live event stream of a server, for one caller's attempts. It ends with the hub. */
export async function sessionToTry({ hub, issuer }: TestWorld): Promise<string> {
  const headers = { Accept: 'text/event-stream', Authorization: `Bearer ${issuer.key('full')}` };
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const get = hub.url.startsWith('https:') ? getEncrypted : getPlain;
  get(`${hub.url}/v1/events?channel=nothing`, { headers, rejectUnauthorized: false }, (stream) => {
    openStreams.push(stream);
    let text = '';
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      const session = /"session":"([^"]+)"/.exec(text)?.[1];
      if (session !== undefined) resolve(session);
    });
    // The row that ends it resets the stream.
    stream.on('error', reject).on('end', () => reject(new Error(`the stream ended: ${text}`)));
  }).on('error', reject);
  return promise;
}

const openStreams: IncomingMessage[] = [];

/** A webhook with a dead letter. */
export async function deadLetterToTry(
  world: TestWorld,
): Promise<{ readonly subscription: string; readonly event: string }> {
  const admin = world.issuer.key('admin');
  // Its own channel, so that it does not wait for events of others.
  const channel = `${DELIVERY_CHANNEL}.letter-${++deadLetterCount}`;
  const subscription = await subscriptionToTry(world, channel);
  const publication = { channel, data: 'tried' };
  const { id } = await requestWithKey<{ id: string }>(world.hub.url, admin, 'POST', '/v1/events', publication);
  const headers = { Authorization: `Bearer ${admin}` };
  const url = `${world.hub.url}/v1/subscriptions/${subscription}/dead-letters/${id}`;
  await until('the event is given up on', async () => (await call(url, { headers })).status === 200);
  return { subscription, event: id };
}

let deadLetterCount = 0;

/** A hook for one caller's attempts, with an address of its own. */
export async function hookToTry({
  hub,
  issuer,
}: TestWorld): Promise<{ readonly id: string; readonly target_url: string }> {
  const body = { target_url: `http://${UNUSED_ADDRESS}/hook-${++hookCount}`, event: DELIVERY_CHANNEL };
  return requestWithKey(hub.url, issuer.key('admin'), 'POST', '/v1/hooks', body);
}

let hookCount = 0;

/** Two events in every channel: a new reader has missed the first. */
async function fill(hub: string, admin: string): Promise<ReadonlyMap<string, readonly PublishedEvent[]>> {
  const events = new Map<string, PublishedEvent[]>();
  for (const { channel } of CHANNELS) {
    for (const turn of ['first', 'second']) {
      const secret = `the ${turn} secret of ${channel}`;
      const { id } = await requestWithKey<{ id: string }>(hub, admin, 'POST', '/v1/events', { channel, data: secret });
      events.set(channel, [...(events.get(channel) ?? []), { id, secret }]);
    }
  }
  return events;
}
