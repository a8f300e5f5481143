import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { SLOW_TEST_TIMEOUT_MS } from '../../scripts/testing/timeouts.ts';
import { startUsersHub, type UsersHub } from '../identity/kit/users-hub.ts';
import { NATS_SERVER, startBrokers, type Broker, type Brokers } from '../kit/brokers.ts';
import { Follower, TRANSPORTS } from '../kit/clients/followers.ts';
import { openedOrRefused } from '../kit/clients/open-socket.ts';
import { Publisher } from '../kit/clients/publishers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { answered, publish, type Call, type Reply } from '../kit/http.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { Seeded } from '../kit/seeded.ts';
import { pause, until } from '../kit/wait.ts';
import { callAt, connectTo, processesOf, type MemberProcess } from '../processes/process-connections.ts';
import { BrokerProxy } from './faults/broker-proxy.ts';
import { expectOneHistory, readAll } from './one-history.ts';

/** Hubs of a cluster that have several processes each, on real brokers. */
const PROCESSES = 2;
const RULES = [
  { pattern: 'public', subscribe: ['anyone'] },
  { pattern: 'room.>', subscribe: ['users'], publish: ['users'], history: ['users'], presence: ['users'] },
];
const PER_USER_MAX = 4;
/** `POLYCAST_HEAVY=1` kills ten times as often. */
const KILLS = process.env['POLYCAST_HEAVY'] === undefined ? 6 : 60;

/** One process of one hub. */
interface Place {
  readonly hub: UsersHub;
  readonly member: MemberProcess;
}

async function startTestBrokers(count: 1 | 3): Promise<Brokers> {
  const brokers = await startBrokers({ count });
  onTestFinished(() => brokers.end());
  return brokers;
}

/** A hub of several processes without access control. */
async function startOpenHub(cluster: Brokers['settings']): Promise<HubProcess> {
  const hub = await startHubProcess({ data: temporaryFolder('hub'), config: { processes: PROCESSES, cluster } });
  onTestFinished(() => void hub.end('SIGKILL'));
  return hub;
}

async function allProcesses(
  { url }: Pick<HubProcess, 'url'>,
  headers: Call['headers'] = {},
): Promise<readonly MemberProcess[]> {
  let members: readonly MemberProcess[] = [];
  await until('all processes of a hub are there', async () => {
    members = await processesOf(url, headers);
    return members.length === PROCESSES;
  });
  return members;
}

/** Each process of each hub, those of the first hub first, and the owner of each hub first. */
async function placesOf(hubs: readonly UsersHub[]): Promise<readonly Place[]> {
  const members = await Promise.all(hubs.map((hub) => allProcesses(hub, bearer(hub.key))));
  return hubs.flatMap((hub, index) => (members[index] ?? []).map((member) => ({ hub, member })));
}

function bearer(token: string): NonNullable<Call['headers']> {
  return { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
}

function callPlace(
  { hub, member }: Place,
  path: string,
  options: Call & { readonly token?: string } = {},
): Promise<Reply> {
  const { token = hub.key, ...more } = options;
  return answered(() => callAt(hub.process, member.pid, path, { headers: bearer(token), ...more }));
}

function post(place: Place, path: string, body: object, token = place.hub.key): Promise<Reply> {
  return callPlace(place, path, { method: 'POST', body: JSON.stringify(body), token });
}

/** A WebSocket at one process. Returns the status of a refusal. */
async function openSocket({ hub, member }: Place, token: string): Promise<WebSocket | number> {
  const socket = await connectTo(hub.process, member.pid);
  const url = `${hub.url.replace('http', 'ws')}/v1/events?channel=room.1`;
  const headers = { Authorization: `Bearer ${token}` };
  return openedOrRefused(new WebSocket(url, { headers, createConnection: (): Duplex => socket }));
}

async function openedSocket(place: Place, token: string): Promise<WebSocket> {
  const socket = await openSocket(place, token);
  expect(socket).toBeInstanceOf(WebSocket);
  return socket as WebSocket;
}

describe.skipIf(NATS_SERVER === undefined)('hubs of several processes in a cluster', () => {
  let brokers: Brokers;
  let hubs: readonly UsersHub[] = [];
  let places: readonly Place[] = [];

  beforeAll(async () => {
    brokers = await startBrokers({ count: 1 });
    const config = {
      processes: PROCESSES,
      cluster: brokers.settings,
      rules: RULES,
      presence: { graceSeconds: 1 },
      limits: { connectionsPerUserMax: PER_USER_MAX },
    };
    const one = await startUsersHub(config, { data: temporaryFolder('hub') });
    const other = await startUsersHub(config, { data: temporaryFolder('hub') }, one.key);
    hubs = [one, other];
    places = await placesOf(hubs);
  });
  afterAll(async () => {
    for (const hub of hubs) await hub.end();
    await brokers.end();
  });

  test('each process of each hub reads what any other has acknowledged', async () => {
    for (let round = 0; round < 24; round++) {
      const writer = places[round % places.length] as Place;
      const published = await post(writer, '/v1/events', { channel: 'room.reads', data: round });
      expect(published.status, published.text).toBe(201);
      const { id } = published.json<{ id: string }>();
      for (const place of places) {
        const page = await callPlace(place, `/v1/events?channel=room.reads&after=${id}`);
        // A cursor ahead of this process is no gap.
        expect(page.json()).toMatchObject({ events: [], gaps: [], cursor: id });
        const history = await callPlace(place, '/v1/channels/room.reads/history?limit=1');
        expect(history.json<{ events: { data: unknown }[] }>().events[0]?.data).toBe(round);
      }
    }
  });

  test('a key works at every process when its creation is answered, and at none after its end', async () => {
    for (let round = 0; round < 4; round++) {
      const created = await post(places[round] as Place, '/v1/keys', {
        name: `round ${round}`,
        scopes: { subscribe: ['room.>'] },
      });
      expect(created.status, created.text).toBe(201);
      const { id, key } = created.json<{ id: string; key: string }>();
      const read = async (place: Place): Promise<number> =>
        (await callPlace(place, '/v1/events?channel=room.1', { token: key })).status;
      for (const place of places) expect(await read(place)).toBe(200);
      const sockets = await Promise.all(places.map((place) => openedSocket(place, key)));
      const closed = sockets.map((socket) => once(socket, 'close'));
      const revoked = await callPlace(places[3 - round] as Place, `/v1/keys/${id}`, { method: 'DELETE' });
      expect(revoked.status, revoked.text).toBe(204);
      for (const [code] of await Promise.all(closed)) expect(code).toBe(4401);
      for (const place of places) await until('it is refused', async () => (await read(place)) === 401);
    }
  });

  test('a console login of any process reads at every process, and ends everywhere', async () => {
    const sameOrigin = ({ hub }: Place): Record<string, string> => ({
      'Sec-Fetch-Site': 'same-origin',
      origin: hub.url,
    });
    for (const [index, place] of places.entries()) {
      const login = await callPlace(place, '/v1/console/session', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ credential: place.hub.key }),
      });
      expect(login.status, login.text).toBe(200);
      const cookie = login.headers['set-cookie']?.[0]?.split(';', 1)[0] ?? '';
      const read = async (other: Place): Promise<number> =>
        (await callPlace(other, '/v1/events?channel=room.1', { headers: { cookie } })).status;
      for (const other of places) expect(await read(other), `login ${index}`).toBe(200);
      const last = places[3 - index] as Place;
      const ended = await callPlace(last, '/v1/console/session', {
        method: 'DELETE',
        headers: { cookie, ...sameOrigin(last) },
      });
      expect(ended.status, ended.text).toBe(204);
      for (const other of places) await until('the login has ended', async () => (await read(other)) === 401);
    }
  });

  test('a user at all processes is one member, has one limit, and logs out everywhere', async () => {
    const sockets = await Promise.all(places.map((place) => openedSocket(place, place.hub.token('ann'))));
    for (const place of places)
      await until('all sessions are known', async () => {
        const { sessions } = (await callPlace(place, '/v1/users/ann')).json<{ sessions: readonly unknown[] }>();
        return sessions.length === sockets.length;
      });
    const presence = await callPlace(places[3] as Place, '/v1/channels/room.1/presence');
    expect(presence.json()).toMatchObject({ users: 1, members: [{ user: 'ann' }] });
    for (const place of places) {
      let rounds = 0;
      await until('the process refuses another session', async () => {
        const socket = await openSocket(place, place.hub.token('ann'));
        if (socket instanceof WebSocket) socket.terminate();
        // A probe that is accepted counts elsewhere for a moment.
        else expect(socket).toBe(429);
        rounds = socket instanceof WebSocket ? 0 : rounds + 1;
        return rounds >= 2;
      });
    }
    const closed = sockets.map((socket) => once(socket, 'close'));
    await post(places[1] as Place, '/v1/revocations', { user: 'ann' });
    for (const [code] of await Promise.all(closed)) expect(code).toBe(4401);
    const old = (hubs[0] as UsersHub).token('ann', { iat: Math.floor(Date.now() / 1000) - 60 });
    for (const place of places)
      await until('an old token is refused', async () => {
        return (await callPlace(place, '/v1/events?channel=room.1', { token: old })).status === 401;
      });
  });

  test('workers pull over WebSockets of every process, and each event is leased once', async () => {
    const made = await post(places[1] as Place, '/v1/subscriptions', {
      channels: ['room.jobs'],
      ordering: 'none',
      delivery: { kind: 'pull', leaseSeconds: 30 },
    });
    expect(made.status, made.text).toBe(201);
    const { id } = made.json<{ id: string }>();
    const leased: unknown[] = [];
    for (const place of places) {
      const worker = await openedSocket(place, place.hub.key);
      worker.on('message', (data) => {
        const message = JSON.parse(String(data)) as Record<string, unknown>;
        if (message['lease'] === undefined) return;
        leased.push((message['event'] as { data: unknown } | undefined)?.data ?? message['data']);
        worker.send(JSON.stringify({ op: 'ack', subscription: id, leases: [message['lease']], ref: leased.length }));
      });
      worker.send(JSON.stringify({ op: 'pull', subscription: id, credit: 5, ref: 0 }));
    }
    for (let job = 0; job < 20; job++)
      await post(places[job % places.length] as Place, '/v1/events', { channel: 'room.jobs', data: job });
    await until('all jobs were leased', () => leased.length >= 20);
    expect(leased).toHaveLength(20);
  });

  test('an event that one hub erases is in the memory of no process', async () => {
    const published = await post(places[1] as Place, '/v1/events', { channel: 'room.erased', data: 'secret' });
    const { id } = published.json<{ id: string }>();
    const read = async (place: Place): Promise<string> =>
      (await callPlace(place, '/v1/events?channel=room.erased&after=earliest')).text;
    for (const place of places)
      await until('the process has the event', async () => (await read(place)).includes('secret'));
    const erased = await callPlace(places[3] as Place, `/v1/events/${id}`, { method: 'DELETE' });
    expect(erased.status, erased.text).toBe(202);
    for (const place of places) await until('the event is erased', async () => !(await read(place)).includes('secret'));
  });

  test('status, metrics and the page of the cluster show the hubs with their processes', async () => {
    for (const place of places) {
      const status = (await callPlace(place, '/v1/status')).json<{ processes: unknown[]; cluster: object }>();
      expect(status.processes).toHaveLength(PROCESSES);
      expect(status.cluster).toMatchObject({ hubs: 2 });
      const cluster = (await callPlace(place, '/v1/cluster')).json<{ hubs: readonly unknown[] }>();
      expect(cluster.hubs).toHaveLength(2);
    }
    const { text } = await callPlace(places[1] as Place, '/metrics');
    expect(text).toMatch(/polycast_cluster_other_hubs\{process="0"\} 1/);
  });

  test(
    'processes that are killed under load lose nothing: each one has one history',
    { timeout: KILLS * 20_000 + SLOW_TEST_TIMEOUT_MS },
    async () => {
      const seeded = new Seeded();
      const message = `seed ${seeded.seed}`;
      const { settings } = await startTestBrokers(3);
      const running = await Promise.all([startOpenHub(settings), startOpenHub(settings)]);
      const urls = running.map(({ url }) => url);
      const followers = TRANSPORTS.flatMap((transport) =>
        urls.map((url) => new Follower(url, transport, { channels: ['a', 'b.>'], after: 'earliest' })),
      );
      const publishers = urls.flatMap((url, index) => [
        new Publisher(url, `one${index}`, ['a', 'b.1', 'b.2'], 'single', 5),
        new Publisher(url, `list${index}`, ['a', 'b.2'], 'array', 5),
      ]);
      for (let kill = 0; kill < KILLS; kill++) {
        const hub = running[seeded.below(running.length)] as HubProcess;
        const members = await allProcesses(hub);
        await pause(seeded.below(500));
        process.kill(members[kill % PROCESSES]?.pid ?? 0, 'SIGKILL');
      }
      await Promise.all(running.map((hub) => allProcesses(hub)));
      await until('enough has been published', () => publishers.every(({ acknowledged }) => acknowledged.length > 20));
      const count = await expectOneHistory(urls, publishers, followers, ['a', 'b.>']);
      console.log(`${count} events, ${KILLS} killed processes, ${message}`);
      const expected = await readAll(urls[0] as string, ['a', 'b.>']);
      for (const hub of running)
        for (const { pid } of await allProcesses(hub)) {
          const read = (after: string): Promise<Reply> =>
            answered(() => callAt(hub, pid, `/v1/events?channel=a&channel=b.>&after=${after}&limit=1000`));
          const found: string[] = [];
          for (let after = 'earliest'; ;) {
            const { events, cursor } = (await read(after)).json<{ events: { id: string }[]; cursor: string }>();
            found.push(...events.map(({ id }) => id));
            if (events.length === 0) break;
            after = cursor;
          }
          expect(found, message).toEqual([...expected.keys()]);
        }
      for (const hub of running) expect(await hub.end('SIGTERM'), hub.log()).toBe(0);
    },
  );

  test('a hub that is cut off ends the identified sessions of all its processes after 10 s', async () => {
    const { settings, urls } = await startTestBrokers(1);
    const proxy = await BrokerProxy.start(urls[0] as string);
    onTestFinished(() => proxy.close());
    const config = { processes: PROCESSES, rules: RULES };
    const one = await startUsersHub({ ...config, cluster: settings }, { data: temporaryFolder('hub') });
    onTestFinished(() => one.end());
    const cutOff = await startUsersHub(
      { ...config, cluster: { ...settings, nats: [proxy.url] } },
      { data: temporaryFolder('hub') },
      one.key,
    );
    onTestFinished(() => cutOff.end());
    const cut = await placesOf([cutOff]);
    const sockets = await Promise.all(cut.map((place) => openedSocket(place, place.hub.token('ann'))));
    proxy.cut();
    const startMs = performance.now();
    await Promise.all(sockets.map((socket) => once(socket, 'close')));
    console.log(`the sessions ended after ${Math.round(performance.now() - startMs)} ms`);
    for (const { hub, member } of cut) {
      const at = (path: string, headers = {}): Promise<Reply> => callAt(hub.process, member.pid, path, { headers });
      await until('the process is not ready', async () => (await at('/readyz')).status === 503);
      expect((await at('/readyz')).json()).toEqual({ status: 'not ready', why: 'cluster_silent' });
      expect((await at('/healthz')).json()).toMatchObject({ problems: ['cluster_silent'] });
      const refused = await at('/v1/events?channel=room.1&after=now', bearer(hub.token('ann')));
      expect([refused.status, refused.json<{ code: string }>().code]).toEqual([503, 'identity_unavailable']);
      expect((await at('/v1/events?channel=public&after=now')).status).toBe(200);
    }
    const created = await one.request('POST', '/v1/keys', { name: 'new', scopes: { subscribe: ['room.>'] } });
    const { key } = created.json<{ key: string }>();
    for (const { hub, member } of cut) {
      const reply = await callAt(hub.process, member.pid, '/v1/events?channel=room.1', { headers: bearer(key) });
      expect(reply.json(), 'a key that it cannot know').toMatchObject({ code: 'identity_unavailable' });
    }
    const published = await one.request('POST', '/v1/events', { channel: 'public', data: 1 });
    const { id } = published.json<{ id: string }>();
    for (const { hub, member } of cut) {
      const reply = await callAt(hub.process, member.pid, `/v1/events?channel=public&after=${id}`);
      expect([reply.status, reply.json<{ code: string }>().code], 'a cursor ahead').toEqual([503, 'log_unavailable']);
    }
    await one.request('POST', '/v1/revocations', { user: 'ann' });
    proxy.heal();
    const old = cutOff.token('ann', { iat: Math.floor(Date.now() / 1000) - 60 });
    for (const { hub, member } of cut) {
      const at = (path: string, headers = {}): Promise<Reply> => callAt(hub.process, member.pid, path, { headers });
      await until('the process is ready', async () => (await at('/readyz')).status === 200);
      const page = (await at(`/v1/events?channel=public&after=${id}`)).json<{ gaps: unknown[]; cursor: string }>();
      // The room may have announced since that a user has left.
      expect([page.gaps, page.cursor >= id]).toEqual([[], true]);
      expect((await at('/v1/events?channel=room.1&after=now', bearer(old))).status).toBe(401);
      for (const secret of [hub.key, key])
        expect((await at('/v1/events?channel=room.1&after=now', bearer(secret))).status).toBe(200);
    }
  });

  test('after brokers were rolled back every process has the new epoch, and the clients get the gap', async () => {
    const { settings, brokers: running } = await startTestBrokers(1);
    const [broker] = running as [Broker];
    const hub = await startOpenHub(settings);
    for (let count = 0; count < 20; count++) await publish(hub.url, { channel: 'a', data: `kept ${count}` });
    await broker.end();
    broker.save();
    await broker.start();
    let last = '';
    await until('publishing goes on', async () => {
      last = (await publish(hub.url, { channel: 'a', data: 'lost' }).catch(() => ({ id: '' }))).id;
      return last !== '';
    });
    await broker.end('SIGKILL');
    broker.restore();
    await broker.start();
    const isNew = (id: string): boolean => id.slice(0, 10) > last.slice(0, 10);
    let after = '';
    await until('publishing goes on in another epoch', async () => {
      after = (await publish(hub.url, { channel: 'a', data: 'after' }).catch(() => ({ id: '' }))).id;
      return isNew(after);
    });
    for (const { pid } of await allProcesses(hub)) {
      const read = (cursor: string): Promise<Reply> => callAt(hub, pid, `/v1/events?channel=a&after=${cursor}`);
      // A follower of the epoch before ends, and another one takes its place.
      const reply = await answered(() => read(last));
      expect(reply.json<{ gaps: unknown }>().gaps).toMatchObject([{ reason: 'epoch' }]);
      const texts = (await read('earliest')).json<{ events: { data: string }[] }>().events.map(({ data }) => data);
      expect(texts.filter((text) => text.startsWith('kept'))).toHaveLength(20);
      expect(texts).not.toContain('lost');
      expect(texts.at(-1)).toBe('after');
    }
  });
});
