import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { parse } from 'yaml';
import { CASES } from '../cases/index.ts';
import { startUsersHub, type UsersHub } from '../identity/kit/users-hub.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { isRunning, startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call } from '../kit/http.ts';
import { pause, until } from '../kit/wait.ts';
import { runCase } from '../suite/run-case.ts';
import { callAt, connectTo, processesOf, type MemberProcess } from './process-connections.ts';

const ROOM_RULES = [
  { pattern: 'room.>', subscribe: ['users'], publish: ['users'], history: ['users'], presence: ['users'] },
];

describe('a hub of two processes', () => {
  let hub: UsersHub;
  let members: readonly MemberProcess[] = [];
  let owner = 0;
  let follower = 0;
  const bearer = (token: string): { headers: Record<string, string> } => ({
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
  });

  beforeAll(async () => {
    hub = await startUsersHub(
      { processes: 2, rules: ROOM_RULES, presence: { graceSeconds: 1 } },
      { data: temporaryFolder('processes') },
    );
    await until('both processes are there', async () => {
      members = await processesOf(hub.url, bearer(hub.key).headers);
      return members.length === 2;
    });
    [owner = 0, follower = 0] = members.map(({ pid }) => pid);
  });
  afterAll(() => hub.end());

  test('each process reads at once what the other has acknowledged', async () => {
    for (let round = 0; round < 20; round++) {
      const [writer, reader] = round % 2 === 0 ? [owner, follower] : [follower, owner];
      const body = JSON.stringify({ channel: 'room.reads', data: round });
      const published = await callAt(hub.process, writer, '/v1/events', { method: 'POST', body, ...bearer(hub.key) });
      expect(published.status, published.text).toBe(201);
      const { id } = published.json<{ id: string }>();
      const path = `/v1/events?channel=room.reads&after=${id}`;
      const page = await callAt(hub.process, reader, path, bearer(hub.key));
      // A cursor ahead of this process is no gap.
      expect(page.json()).toMatchObject({ events: [], gaps: [], cursor: id });
      const history = await callAt(hub.process, reader, '/v1/channels/room.reads/history?limit=1', bearer(hub.key));
      expect(history.json<{ events: { data: unknown }[] }>().events[0]?.data).toBe(round);
    }
  });

  test('a key works at every process when its creation is answered, and at none after its end', async () => {
    for (let round = 0; round < 5; round++) {
      const created = await callAt(hub.process, round % 2 === 0 ? owner : follower, '/v1/keys', {
        method: 'POST',
        body: JSON.stringify({ name: `round ${round}`, scopes: { subscribe: ['room.>'] } }),
        ...bearer(hub.key),
      });
      expect(created.status, created.text).toBe(201);
      const { id, key } = created.json<{ id: string; key: string }>();
      for (const pid of [follower, owner])
        expect((await callAt(hub.process, pid, '/v1/events?channel=room.1', bearer(key))).status).toBe(200);
      const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events?channel=room.1`, {
        ...bearer(key),
        createConnection: await connectionTo(hub.process, follower),
      });
      await once(socket, 'open');
      const closed = once(socket, 'close');
      const revoked = await callAt(hub.process, owner, `/v1/keys/${id}`, { method: 'DELETE', ...bearer(hub.key) });
      expect(revoked.status, revoked.text).toBe(204);
      for (const pid of [follower, owner])
        expect((await callAt(hub.process, pid, '/v1/events?channel=room.1', bearer(key))).status).toBe(401);
      expect((await closed)[0]).toBe(4401);
    }
  });

  test('a user at two processes is one member, online once, and logs out at both', async () => {
    const sockets = await Promise.all(
      [owner, follower].map(async (pid) => {
        const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events?channel=room.7`, {
          headers: { Authorization: `Bearer ${hub.token('ann')}` },
          createConnection: await connectionTo(hub.process, pid),
        });
        await once(socket, 'open');
        return socket;
      }),
    );
    const sessions = async (pid: number): Promise<number> => {
      const reply = await callAt(hub.process, pid, '/v1/users/ann', bearer(hub.key));
      return reply.json<{ sessions: unknown[] }>().sessions.length;
    };
    for (const pid of [owner, follower])
      await until('both sessions are known', async () => (await sessions(pid)) === 2);
    const presence = await callAt(hub.process, follower, '/v1/channels/room.7/presence', bearer(hub.key));
    expect(presence.json()).toMatchObject({ users: 1, members: [{ user: 'ann' }] });
    const closed = sockets.map((socket) => once(socket, 'close'));
    const reply = await callAt(hub.process, follower, '/v1/users/ann/disconnect', {
      method: 'POST',
      ...bearer(hub.key),
    });
    expect(reply.json()).toMatchObject({ user: 'ann', sessions: 2 });
    for (const [code] of await Promise.all(closed)) expect(code).toBe(4401);
    await until('no session is left', async () => (await sessions(owner)) === 0);
  });

  test('a worker pulls over a WebSocket of a follower', async () => {
    const made = await hub.request('POST', '/v1/subscriptions', {
      channels: ['room.jobs'],
      ordering: 'none',
      delivery: { kind: 'pull', leaseSeconds: 30 },
    });
    expect(made.status, made.text).toBe(201);
    const { id } = made.json<{ id: string }>();
    const worker = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events`, {
      ...bearer(hub.key),
      createConnection: await connectionTo(hub.process, follower),
    });
    const messages: Record<string, unknown>[] = [];
    worker.on('message', (data) => messages.push(JSON.parse(String(data)) as Record<string, unknown>));
    await once(worker, 'open');
    worker.send(JSON.stringify({ op: 'pull', subscription: id, credit: 10, ref: 1 }));
    await until('the pull is answered', () => messages.some(({ op, ok }) => op === 'pull' && ok === true));
    for (let job = 0; job < 3; job++) await hub.request('POST', '/v1/events', { channel: 'room.jobs', data: job });
    const leased = (): Record<string, unknown>[] => messages.filter(({ lease }) => lease !== undefined);
    await until('the jobs arrive', () => leased().length === 3);
    worker.send(JSON.stringify({ op: 'ack', subscription: id, leases: leased().map(({ lease }) => lease), ref: 2 }));
    await until('they are done', () => messages.some(({ ref }) => ref === 2));
    expect(messages.find(({ ref }) => ref === 2)).toMatchObject({ op: 'ack', ok: true, count: 3, notHeld: [] });
    worker.close();
  });

  test('the journal and explanations know the sessions of every process', async () => {
    const event = async (channel: string): Promise<string> => {
      const made = await hub.request('POST', '/v1/events', { channel, data: 1 });
      return made.json<{ id: string }>().id;
    };
    const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events?channel=room.journal`, {
      headers: { Authorization: `Bearer ${hub.token('joe')}` },
      createConnection: await connectionTo(hub.process, follower),
    });
    await once(socket, 'open');
    const sessions = async (state: string, pid = follower): Promise<readonly Record<string, unknown>[]> => {
      const reply = await callAt(hub.process, pid, `/v1/sessions?user=joe&state=${state}`, bearer(hub.key));
      return reply.json<{ sessions: Record<string, unknown>[] }>().sessions;
    };
    await until('the session is known', async () => (await sessions('live')).length === 1);
    const arrived = once(socket, 'message');
    const id = await event('room.journal');
    await arrived;
    await until('its position is that of the event', async () => String((await sessions('live'))[0]?.['cursor']) >= id);
    const [live] = await sessions('live', owner);
    expect(live).toMatchObject({ transport: 'websocket', user: 'joe', channels: ['room.journal'], reason: null });
    const explain = async (path: string): Promise<{ readonly text: string }> =>
      callAt(hub.process, follower, `/v1/explain?user=joe&${path}`, bearer(hub.key));
    expect((await explain(`event=${id}`)).text).toContain(String(live?.['session']));
    const closed = once(socket, 'close');
    const end = { method: 'DELETE', ...bearer(hub.key) };
    const ended = await callAt(hub.process, follower, `/v1/sessions/${live?.['session']}`, end);
    expect(ended.status, ended.text).toBe(200);
    await closed;
    await until('its end is recorded', async () => (await sessions('ended')).length === 1);
    expect((await sessions('ended', owner))[0]).toMatchObject({
      session: live?.['session'],
      reason: 'ended',
      cursor: expect.stringMatching(/./),
    });
    // A user who may not read a channel: the follower refuses, and the owner records it.
    const refused = await callAt(hub.process, follower, '/v1/events?channel=secret', {
      headers: { Authorization: `Bearer ${hub.token('joe')}` },
    });
    expect(refused.status).toBe(403);
    await until('the refusal is recorded', async () =>
      (await sessions('ended')).some(({ reason }) => reason === 'refused'),
    );
    // Polls at both processes are those of one poller.
    for (const pid of [follower, owner])
      await callAt(hub.process, pid, '/v1/events?channel=room.polled', {
        headers: { Authorization: `Bearer ${hub.token('joe')}` },
      });
    await until('both polls are one session', async () =>
      (await sessions('live')).some(({ polls, transport }) => polls === 2 && transport === 'short-poll'),
    );
  });

  test('one page of metrics has every process, and Prometheus would accept it', async () => {
    let text = '';
    // A process that is busy for two seconds is left out, and the next page has it again.
    await until('the page has both processes', async () => {
      ({ text } = await callAt(hub.process, follower, '/metrics'));
      return [0, 1].every((index) => text.includes(`\npolycast_log_head_position{process="${index}"} `));
    });
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test('the sockets between the processes are private, and a client cannot forge its address', async () => {
    const environment = readFileSync(`/proc/${follower}/environ`, 'utf8').split('\0');
    const place = environment.find((text) => text.startsWith('POLYCAST_PROCESS=')) ?? '';
    const { folder } = JSON.parse(place.slice('POLYCAST_PROCESS='.length)) as { folder: string };
    expect(readdirSync(folder).toSorted()).toEqual(['owner.sock', 'requests.sock']);
    expect(statSync(folder).mode & 0o077).toBe(0);
    const forged = { headers: { ...bearer(hub.key).headers, 'Polycast-Peer-Address': '203.0.113.9' } };
    for (const pid of [owner, follower]) {
      const status = await callAt(hub.process, pid, '/v1/status', forged);
      expect(status.json()).toMatchObject({ caller: { address: '127.0.0.1', encrypted: false } });
    }
  });

  test('an erased event is in the memory of no process', async () => {
    const published = await hub.request('POST', '/v1/events', { channel: 'room.erased', data: 'secret' });
    const { id } = published.json<{ id: string }>();
    const read = async (pid: number): Promise<string> =>
      (await callAt(hub.process, pid, '/v1/events?channel=room.erased&after=earliest', bearer(hub.key))).text;
    for (const pid of [owner, follower])
      await until('the process has the event', async () => (await read(pid)).includes('secret'));
    const erased = await callAt(hub.process, follower, `/v1/events/${id}`, { method: 'DELETE', ...bearer(hub.key) });
    expect(erased.status, erased.text).toBe(202);
    for (const pid of [owner, follower])
      await until('the event is erased', async () => !(await read(pid)).includes('secret'));
  });

  test('a reload reaches every process', async () => {
    const reply = await callAt(hub.process, follower, '/v1/reload', { method: 'POST', ...bearer(hub.key) });
    expect(reply.status, reply.text).toBe(200);
    await until('both have logged it', () => hub.process.log().match(/configuration: reloaded/g)?.length === 2);
  });
});

/** Longer than a busy machine needs for another owner. */
const GRACE_SECONDS = 10;

test('users of a killed follower leave, and those of the others stay when the owner is killed', async () => {
  const hub = await startUsersHub(
    { processes: 3, rules: ROOM_RULES, presence: { graceSeconds: GRACE_SECONDS } },
    { data: temporaryFolder('processes') },
  );
  onTestFinished(() => hub.end());
  const headers = { Authorization: `Bearer ${hub.key}` };
  let members: readonly MemberProcess[] = [];
  await until('all processes are there', async () => {
    members = await processesOf(hub.url, headers);
    return members.length === 3;
  });
  const [owner = 0, first = 0, second = 0] = members.map(({ pid }) => pid);
  const open = async (user: string, pid: number): Promise<WebSocket> => {
    const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events?channel=room.7`, {
      headers: { Authorization: `Bearer ${hub.token(user)}` },
      createConnection: await connectionTo(hub.process, pid),
    });
    socket.on('error', () => undefined);
    await once(socket, 'open');
    return socket;
  };
  await open('ann', first);
  const stays = await open('bob', second);
  const present = async (): Promise<readonly string[]> => {
    const reply = await hub.request('GET', '/v1/channels/room.7/presence').catch(() => undefined);
    if (reply?.status !== 200) return [];
    return reply.json<{ members: { user: string }[] }>().members.map(({ user }) => user);
  };
  await until('both are present', async () => (await present()).length === 2);
  process.kill(first, 'SIGKILL');
  await until('the user of the killed process has left', async () => String(await present()) === 'bob');
  process.kill(owner, 'SIGKILL');
  await until('another process is the owner', async () => {
    const [next] = await processesOf(hub.url, headers);
    return next !== undefined && next.pid !== owner;
  });
  // Longer than the grace: the next owner knows the session that the follower has kept.
  await pause(GRACE_SECONDS * 1000 + 1000);
  await until('bob is present', async () => String(await present()) === 'bob');
  expect(stays.readyState).toBe(WebSocket.OPEN);
  const history = await hub.request('GET', '/v1/channels/polycast.presence.room.7/history');
  const types = history.json<{ events: { type: string; data: { user?: string } }[] }>().events;
  expect(types.filter(({ data }) => data.user === 'bob').map(({ type }) => type)).toHaveLength(1);
});

test('SIGTERM moves the clients of all processes, and ends the hub with 0', async () => {
  const hub = await startHubProcess({
    data: temporaryFolder('processes'),
    config: { processes: 3, drain: { timeMs: 200 } },
  });
  onTestFinished(() => void hub.end('SIGKILL'));
  const streams = await Promise.all(
    Array.from({ length: 12 }, () =>
      fetch(`${hub.url}/v1/events?channel=a`, { headers: { Accept: 'text/event-stream' } }),
    ),
  );
  const texts = Promise.all(streams.map((stream) => stream.text()));
  expect(await hub.end('SIGTERM')).toBe(0);
  for (const text of await texts) expect(text).toContain('polycast.draining');
});

test('SIGTERM ends the hub with 1, and it says why, when one of its processes stands still', async () => {
  const hub = await startHubProcess({
    data: temporaryFolder('processes'),
    config: { processes: 3, drain: { timeMs: 0 } },
  });
  onTestFinished(() => void hub.end('SIGKILL'));
  const [, follower] = await processesOf(hub.url);
  process.kill(follower?.pid ?? 0, 'SIGSTOP');
  expect(await hub.end('SIGTERM')).toBe(1);
  expect(hub.log()).toContain('process: not ended in time, killing it');
  expect(isRunning(follower?.pid ?? 0)).toBe(false);
});

test('when the first process is killed, the others end, and the next hub opens the data', async () => {
  const data = temporaryFolder('processes');
  const hub = await startHubProcess({ data, config: { processes: 2 } });
  await call(`${hub.url}/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"channel":"a","data":1}',
  });
  await hub.end('SIGKILL');
  await until('nothing listens', () =>
    call(`${hub.url}/healthz`).then(
      () => false,
      () => true,
    ),
  );
  const next = await startHubProcess({ data, config: { processes: 2 }, port: hub.port });
  onTestFinished(() => void next.end('SIGKILL'));
  expect((await call(`${next.url}/v1/channels/a`)).text).toBe('1');
});

test('a hub of several processes refuses memory as its data, and a port in use', async () => {
  await expect(startHubProcess({ config: { processes: 2 } })).rejects.toThrow(
    /processes: must be 1 without a data folder/,
  );
  const other = await startHubProcess();
  onTestFinished(() => void other.end('SIGKILL'));
  const data = temporaryFolder('processes');
  await expect(startHubProcess({ data, config: { processes: 2 }, port: other.port })).rejects.toThrow(/is in use by/);
});

describe('a hub of two processes speaks PROTOCOL.md', () => {
  let hub: HubProcess;
  beforeAll(async () => {
    const config = parse(readFileSync(join(import.meta.dirname, '../polycast.yaml'), 'utf8')) as object;
    hub = await startHubProcess({ data: temporaryFolder('processes'), config: { ...config, processes: 2 } });
  });
  afterAll(() => hub.end('SIGKILL'));

  test.each(SHARED_CASES.map((each) => ({ each, title: each.name })))('$title', async ({ each }) => {
    await runCase(each, hub.url);
  });
});

/**
 * The cases in which another process than the client's takes part.
 * `POLYCAST_HEAVY=1` runs all of them.
 */
const SHARED = [
  'a channel shows its newest data, with its id, type and time',
  'If-Match publishes only behind the event that it names, If-None-Match only into an empty channel',
  'an idempotency key gets its first answer again',
  'an array gets a result each, in order',
  'a pulled event has a lease: acknowledged it is done, released it is delivered again, until its last delivery',
  'on a WebSocket events are pushed, as far as there is credit',
  'a long poll is answered by the event that it waited for',
  'removed events are reported as a gap',
  'refusals of every kind are problem documents',
  'refused operations have a reason, and the session continues',
  'a WebSocket carries the same events, and answers operations',
];
const SHARED_CASES = CASES.filter(({ name }) => process.env['POLYCAST_HEAVY'] !== undefined || SHARED.includes(name));

/** A WebSocket takes the connection from a function. */
async function connectionTo(hub: HubProcess, pid: number): Promise<() => never> {
  const socket = await connectTo(hub, pid);
  return () => socket as never;
}
