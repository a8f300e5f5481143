import { isDeepStrictEqual } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startUsersHub, type UsersHub } from '../identity/kit/users-hub.ts';
import { NATS_SERVER, startBrokers, type Brokers } from '../kit/brokers.ts';
import { TRANSPORTS } from '../kit/clients/followers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { answered, call, type Reply } from '../kit/http.ts';
import { until } from '../kit/wait.ts';
import { BrokerProxy } from './faults/broker-proxy.ts';

/** Keys and revocations of whole hubs, each a process, on a real broker. */
const CONFIG = {
  rules: [
    { pattern: 'public', subscribe: ['anyone'] },
    { pattern: 'shop', subscribe: ['users'] },
  ],
};
const SCOPES = { publish: ['>'], subscribe: ['>'] };

interface CreatedKey {
  readonly id: string;
  readonly key: string;
}

async function startTestBroker(): Promise<Brokers> {
  const brokers = await startBrokers({ count: 1 });
  onTestFinished(() => brokers.end());
  return brokers;
}

/** @param key of a hub that started before. The first one prints it. */
async function startHub(
  cluster: object,
  key?: string,
  { data = temporaryFolder('hub'), port }: { readonly data?: string; readonly port?: number } = {},
): Promise<UsersHub> {
  const hub = await startUsersHub({ ...CONFIG, cluster }, { data, ...(port !== undefined && { port }) }, key);
  onTestFinished(() => hub.end());
  return hub;
}

async function createKey(hub: UsersHub, scopes: object = SCOPES): Promise<CreatedKey> {
  const reply = await hub.request('POST', '/v1/keys', { name: 'shop', scopes });
  expect(reply.status, reply.text).toBe(201);
  return reply.json<CreatedKey>();
}

/** Some events may be there twice. Nobody counts them. */
function publishWith(hub: UsersHub, token: string, channel = 'shop'): Promise<Reply> {
  return answered(() => hub.request('POST', '/v1/events', { channel, data: 1 }, { token }));
}

async function statusesWith(hubs: readonly UsersHub[], token: string): Promise<number[]> {
  return Promise.all(hubs.map(async (hub) => (await publishWith(hub, token)).status));
}

describe.skipIf(NATS_SERVER === undefined)('keys and revocations of a cluster', () => {
  test('a key is valid at every hub when its creation is answered, and refused at every hub soon after its removal', async () => {
    const { settings } = await startTestBroker();
    const one = await startHub(settings);
    const other = await startHub(settings, one.key);
    expect(other.process.output()).not.toContain('The first key');
    const hubs = [one, other];
    for (let round = 0; round < 10; round++) {
      const [from, to] = (round % 2 === 0 ? [one, other] : [other, one]) as [UsersHub, UsersHub];
      const { id, key } = await createKey(from);
      expect((await publishWith(to, key)).status).toBe(201);
      const listed = (await answered(() => to.request('GET', '/v1/keys'))).json<{ keys: { id: string }[] }>();
      expect(listed.keys.map((each) => each.id)).toContain(id);
      const rotated = await to.request('POST', `/v1/keys/${id}/rotate`, { overlapSeconds: 0 });
      const { key: next } = rotated.json<CreatedKey>();
      expect(await statusesWith(hubs, next)).toEqual([201, 201]);
      expect(await statusesWith(hubs, key)).toEqual([401, 401]);
      const changed = await from.request('PATCH', `/v1/keys/${id}`, { name: 'renamed' });
      expect(changed.json()).toMatchObject({ id, name: 'renamed' });
      expect((await to.request('DELETE', `/v1/keys/${id}`)).status).toBe(204);
      // A hub that stands still hears of it when it goes on.
      await until('it is refused', async () => (await statusesWith(hubs, next)).every((status) => status === 401));
      expect((await from.request('DELETE', `/v1/keys/${id}`)).status).toBe(404);
    }
    const audit = await Promise.all(hubs.map((hub) => answered(() => hub.request('GET', '/v1/audit?limit=1000'))));
    expect(audit[1]?.json()).toEqual(audit[0]?.json());
    const { entries } = (audit[0] as Reply).json<{ entries: { action: string }[] }>();
    expect(entries.filter(({ action }) => action === 'key.revoked')).toHaveLength(10);
  });

  test('a revocation at one hub ends the streams of every transport at another one, and lasts', async () => {
    const { settings } = await startTestBroker();
    const folders = [temporaryFolder('hub'), temporaryFolder('hub')] as const;
    const one = await startHub(settings, undefined, { data: folders[0] });
    let other = await startHub(settings, one.key, { data: folders[1] });
    const transports = TRANSPORTS.filter((transport) => transport !== 'short-poll');
    const ann = transports.map((transport) =>
      other.follow(transport, { channels: ['shop'], after: 'now', user: 'ann' }),
    );
    const bob = other.follow('sse', { channels: ['shop'], after: 'now', user: 'bob' });
    const everyone = [...ann, bob];
    await until('all streams are open', async () => {
      await publishWith(one, one.key);
      return everyone.every(({ received }) => received.length > 0);
    });
    const old = other.token('ann');
    const startMs = performance.now();
    expect((await one.request('POST', '/v1/revocations', { user: 'ann' })).status).toBe(201);
    // They end, and connect again with the revoked token.
    await until('all are refused', () => ann.every(({ errors }) => errors.some((error) => error.includes('401'))));
    console.log(`streams at the other hub ended after ${Math.round(performance.now() - startMs)} ms`);
    expect([bob.endings, bob.errors]).toEqual([[], []]);
    const readWith = async (hub: UsersHub, token: string): Promise<number> =>
      (await answered(() => hub.request('GET', '/v1/events?channel=shop&after=now', undefined, { token }))).status;

    const { id, key } = await createKey(one);
    const { port } = other.process;
    await other.process.end('SIGKILL');
    expect((await one.request('DELETE', `/v1/keys/${id}`)).status).toBe(204);
    other = await startHub(settings, one.key, { data: folders[1], port });
    expect(await statusesWith([one, other], key)).toEqual([401, 401]);
    expect([await readWith(one, old), await readWith(other, old)]).toEqual([401, 401]);

    // What the killed hub has answered is at the other one.
    const made = await createKey(other);
    await other.process.end('SIGKILL');
    expect(await statusesWith([one], made.key)).toEqual([201]);
  });

  test('users are online at all hubs, and are disconnected from all', async () => {
    const { settings } = await startTestBroker();
    const one = await startHub(settings);
    const other = await startHub(settings, one.key);
    const hubs = [one, other];
    for (const hub of hubs) hub.follow('sse', { channels: ['shop'], after: 'now', user: 'ann' });
    other.follow('websocket', { channels: ['shop'], after: 'now', user: 'bob' });
    const sessionsOf = async (hub: UsersHub, user: string): Promise<number> =>
      (await hub.request('GET', `/v1/users/${user}`)).json<{ sessions: object[] }>().sessions.length;
    await until(
      'all are connected',
      async () => (await sessionsOf(one, 'ann')) === 2 && (await sessionsOf(one, 'bob')) === 1,
    );
    await expect
      .poll(async () => (await one.request('GET', '/v1/users/bob')).json())
      .toMatchObject({ online: true, info: { name: 'bob' } });
    const first = { user: 'ann', sessions: 2, info: { name: 'ann' } };
    const second = { user: 'bob', sessions: 1, info: { name: 'bob' } };
    // A hub that is busy for two seconds counts as silent, and the next answer has it again.
    const answers = (hub: UsersHub, method: string, path: string, expected: object): Promise<void> =>
      until(`${method} ${path} is about all hubs`, async () =>
        isDeepStrictEqual((await hub.request(method, path)).json(), expected),
      );
    for (const hub of hubs) {
      await answers(hub, 'GET', '/v1/users?online=true', { users: [first, second], next: null });
      await answers(hub, 'GET', '/v1/users?online=true&limit=1', { users: [first], next: 'ann' });
      await answers(hub, 'GET', '/v1/users?online=true&limit=1&after=ann', { users: [second], next: null });
    }
    await answers(other, 'POST', '/v1/users/bob/reauthenticate', { user: 'bob', sessions: 1 });
    const reply = await one.request('POST', '/v1/users/ann/disconnect');
    const { sessions, silentHubs = 0 } = reply.json<{ sessions: number; silentHubs?: number }>();
    expect(sessions + silentHubs).toBe(2);
    await until('ann is gone', async () => (await sessionsOf(other, 'ann')) === 0);
  });

  test('a console login and a portal link of one hub are valid at every hub, and end at every hub', async () => {
    const { settings } = await startTestBroker();
    const folders = [temporaryFolder('hub'), temporaryFolder('hub')] as const;
    const one = await startHub(settings, undefined, { data: folders[0] });
    let other = await startHub(settings, one.key, { data: folders[1] });
    const path = '/v1/console/session';
    const logIn = async (hub: UsersHub, credential: string): Promise<string> => {
      const reply = await call(`${hub.url}${path}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ credential }),
      });
      expect(reply.status, reply.text).toBe(200);
      return reply.headers['set-cookie']?.[0]?.split(';', 1)[0] ?? '';
    };
    const nameAt = async (hub: UsersHub, cookie: string): Promise<string | undefined> => {
      const reply = await answered(() => call(`${hub.url}${path}`, { headers: { cookie } }));
      return reply.json<{ as: { name: string } | null }>().as?.name;
    };
    const { id, key } = await createKey(one, { admin: ['>'] });
    const [ofOne, ofOther] = [await logIn(one, key), await logIn(other, key)];
    for (const hub of [one, other])
      for (const cookie of [ofOne, ofOther]) expect(await nameAt(hub, cookie)).toBe('shop');
    const statusAt = async (hub: UsersHub, cookie: string): Promise<number> =>
      (await answered(() => call(`${hub.url}/v1/keys`, { headers: { cookie } }))).status;
    expect(await statusAt(other, ofOne)).toBe(200);
    const logOut = { method: 'DELETE', headers: { cookie: ofOne, origin: other.url } };
    expect((await call(`${other.url}${path}`, logOut)).status).toBe(204);
    await until('it has ended at the other hub', async () => (await statusAt(one, ofOne)) === 401);
    expect([await statusAt(other, ofOne), await statusAt(one, ofOther)]).toEqual([401, 200]);

    const options = { owner: 'acme', channels: ['shop'] };
    const created = await one.request('POST', '/v1/portal-links', options);
    expect(created.status, created.text).toBe(201);
    const { id: link, url } = created.json<{ id: string; url: string }>();
    const portal = async (hub: UsersHub): Promise<Reply> =>
      answered(() => hub.request('GET', '/v1/portal', undefined, { token: new URL(url).hash.slice('#token='.length) }));
    expect((await portal(other)).json()).toMatchObject({ owner: 'acme', channels: ['shop'] });
    const { port } = other.process;
    await other.process.end('SIGKILL');
    expect(await nameAt(one, ofOther)).toBe('shop');
    other = await startHub(settings, one.key, { data: folders[1], port });
    expect(await nameAt(other, ofOther)).toBe('shop');
    expect((await other.request('POST', '/v1/revocations', { token: link })).status).toBe(201);
    await until('the link has ended', async () => (await portal(one)).status === 401);
    expect((await portal(other)).status).toBe(401);
    expect((await one.request('DELETE', `/v1/keys/${id}`)).status).toBe(204);
    expect(await nameAt(one, ofOther)).toBeUndefined();
    await until('the login has ended at the other hub', async () => (await nameAt(other, ofOther)) === undefined);
  });

  test('a hub that starts from a snapshot has the keys and revocations', async () => {
    const { settings } = await startTestBroker();
    const cluster = { ...settings, snapshotBytes: 1024 * 1024 };
    const one = await startHub(cluster);
    const [kept, removed] = [await createKey(one), await createKey(one)];
    expect((await one.request('DELETE', `/v1/keys/${removed.id}`)).status).toBe(204);
    const old = one.token('ann');
    expect((await one.request('POST', '/v1/revocations', { user: 'ann' })).status).toBe(201);
    const data = 'x'.repeat(100_000);
    await until('the journal was trimmed', async () => {
      await one.request('POST', '/v1/events', { channel: 'shop', data });
      return /"trimmedBefore":\d+/.test(one.process.log());
    });
    const empty = await startHub(cluster, one.key);
    expect(empty.process.log()).toContain('cluster: receiving a snapshot');
    expect(await statusesWith([one, empty], kept.key)).toEqual([201, 201]);
    expect(await statusesWith([one, empty], removed.key)).toEqual([401, 401]);
    const refused = await empty.request('GET', '/v1/events?channel=shop&after=now', undefined, { token: old });
    expect(refused.status).toBe(401);
  });

  test('a hub that is cut off ends identified sessions after 10 s and serves nobody whom it identifies', async () => {
    const { settings, urls } = await startTestBroker();
    const proxy = await BrokerProxy.start(urls[0] as string);
    onTestFinished(() => proxy.close());
    const one = await startHub(settings);
    const cutOff = await startHub({ ...settings, nats: [proxy.url] }, one.key);
    const { id, key } = await createKey(one);
    const stream = cutOff.follow('sse', { channels: ['shop'], after: 'now', token: key });
    const anonymous = cutOff.follow('sse', { channels: ['public'], after: 'now' });
    await until('the streams are open', async () => {
      for (const channel of ['shop', 'public']) await publishWith(one, one.key, channel);
      return stream.received.length > 0 && anonymous.received.length > 0;
    });
    proxy.cut();
    expect((await one.request('DELETE', `/v1/keys/${id}`)).status).toBe(204);
    const startMs = performance.now();
    await until('the stream has ended', () => stream.endings.length > 0);
    console.log(`the stream of the cut-off hub ended after ${Math.round(performance.now() - startMs)} ms`);
    expect((await call(`${cutOff.url}/readyz`)).json()).toEqual({ status: 'not ready', why: 'cluster_silent' });
    const refused = await cutOff.request('GET', '/v1/events?channel=shop&after=now');
    expect([refused.status, refused.json<{ code: string }>().code]).toEqual([503, 'identity_unavailable']);
    expect((await call(`${cutOff.url}/v1/events?channel=public&after=now`)).status).toBe(200);
    expect(anonymous.endings).toEqual([]);
    proxy.heal();
    await until('the hub is ready', async () => (await call(`${cutOff.url}/readyz`)).status === 200);
    expect((await cutOff.request('GET', '/v1/events?channel=shop&after=now')).status).toBe(200);
    await until('the revoked key is refused', () => stream.errors.includes('401'));
    expect((await publishWith(cutOff, key)).status).toBe(401);
  });
});
