import { isDeepStrictEqual } from 'node:util';
import WebSocket from 'ws';
import { afterEach, describe, expect, onTestFailed, test } from 'vitest';
import type { Follower, Transport } from '../kit/clients/followers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call } from '../kit/http.ts';
import { Seeded } from '../kit/seeded.ts';
import { pause, until } from '../kit/wait.ts';
import { startUsersHub, type UsersHub } from './kit/users-hub.ts';

/** PROTOCOL.md section 13.6 from the outside, on real hubs, including killed ones. */
const ROOM = 'room.1';
const CONFIG = {
  presence: { graceSeconds: 3, pollSeconds: 4, listedMax: 20, systemEvents: true },
  rules: [{ pattern: 'room.>', subscribe: 'anyone', publish: 'users', presence: 'users' }],
};
/** For clients that must be back within the grace period, also on a machine that pauses. */
const GRACE_SECONDS = 8;
const PATIENT = { ...CONFIG, presence: { ...CONFIG.presence, graceSeconds: GRACE_SECONDS } };

let hub: UsersHub;
afterEach(() => hub.end());

interface Member {
  readonly user: string;
  readonly info?: unknown;
  readonly sessions: number;
  readonly since: string;
}

interface Snapshot {
  readonly cursor: string;
  readonly listed: boolean;
  readonly users: number;
  readonly anonymous: number;
  readonly members: readonly Member[];
}

const snapshotOf = async (channel = ROOM): Promise<Snapshot> =>
  (await hub.request('GET', `/v1/channels/${channel}/presence`)).json<Snapshot>();
const usersIn = ({ members }: Snapshot): string[] => members.map(({ user }) => user).toSorted();

/** The state after the events, from a given state. */
function fold(events: readonly PresenceRecord[], known?: Snapshot): Omit<Snapshot, 'cursor'> {
  const members = new Map(known?.members.map((member) => [member.user, member]));
  let counts = { listed: known?.listed ?? true, users: known?.users ?? 0, anonymous: known?.anonymous ?? 0 };
  for (const { type, data } of events) {
    if (type === 'polycast.join' || type === 'polycast.update') members.set((data as Member).user, data as Member);
    else if (type === 'polycast.leave') members.delete((data as Member).user);
    else if (type === 'polycast.count') {
      counts = data as typeof counts;
      if (!counts.listed) members.clear();
    }
  }
  return { ...counts, users: counts.listed ? members.size : counts.users, members: sorted([...members.values()]) };
}

interface PresenceRecord {
  readonly channel: string;
  readonly type: string;
  readonly data: unknown;
}

const publishedTo = ({ received }: Follower): PresenceRecord[] =>
  received.map(({ json }) => JSON.parse(json) as PresenceRecord);
const wordsOf = (follower: Follower): string[] =>
  publishedTo(follower).map(({ type, data }) =>
    `${type.slice('polycast.'.length)} ${(data as { user?: string; channel?: string }).user ?? ''}`.trim(),
  );

/** The users who are online after the events. Each goes on and off in turn. */
function onlineIn(events: readonly PresenceRecord[]): string[] {
  const online = new Set<string>();
  for (const { channel, data } of events) {
    const { user } = data as Member;
    if (channel === 'polycast.users.online') expect(online.size).toBeLessThan(online.add(user).size);
    if (channel === 'polycast.users.offline') expect(online.delete(user)).toBe(true);
  }
  return [...online].toSorted();
}

function seededChance(): Seeded {
  const chance = new Seeded();
  onTestFailed(() => console.error(`POLYCAST_SEED=${chance.seed}`));
  return chance;
}

function sorted(members: readonly Member[]): Member[] {
  return members.toSorted((one, other) => (one.user < other.user ? -1 : 1));
}

/** An observer with the key, from the beginning. */
function watchPresence(...channels: string[]): Follower {
  return hub.follow('websocket', { channels, after: 'earliest', token: hub.key });
}

const enter = (user: string, transport: Transport = 'sse'): Follower =>
  hub.follow(transport, { channels: [ROOM], after: 'now', user });

describe('a user that joins and leaves', () => {
  test.each(['long-poll', 'sse', 'websocket'] as const)('by %s', async (transport) => {
    hub = await startUsersHub(CONFIG);
    const onlooker = watchPresence(`polycast.presence.${ROOM}`);
    const ann = enter('ann', transport);
    await until('ann is there', () => wordsOf(onlooker).includes('join ann'));
    expect(await snapshotOf()).toMatchObject({
      users: 1,
      members: [{ user: 'ann', info: { name: 'ann' }, sessions: 1 }],
    });
    await ann.stop();
    await until('ann has left', () => wordsOf(onlooker).includes('leave ann'));
    expect(wordsOf(onlooker)).toEqual(['join ann', 'leave ann']);
    expect(await snapshotOf()).toMatchObject({ users: 0, members: [] });
  });

  test('lists users who poll, although each poll is short', async () => {
    hub = await startUsersHub(CONFIG);
    const onlooker = watchPresence(`polycast.presence.${ROOM}`);
    const ask = () => hub.request('GET', `/v1/events?channel=${ROOM}`, undefined, { token: hub.token('ann') });
    await ask();
    await until('ann is there', () => wordsOf(onlooker).length > 0);
    // One poll counts for seven seconds, with the grace.
    for (let round = 0; round < 7; round++) {
      await pause(1500);
      await ask();
    }
    expect(wordsOf(onlooker)).toEqual(['join ann']);
    await until('ann has left', () => wordsOf(onlooker).includes('leave ann'));
  });

  test('a change of transport and a reload cause no presence events', async () => {
    hub = await startUsersHub(PATIENT);
    const onlooker = watchPresence(`polycast.presence.${ROOM}`, 'polycast.users.*', 'polycast.channels.*');
    const ann = enter('ann', 'sse');
    await until('ann is there', () => wordsOf(onlooker).length === 3);
    for (const transport of ['websocket', 'long-poll', 'sse', 'websocket', 'long-poll'] as const) {
      ann.moveTo(transport);
      await pause(300);
    }
    await ann.stop();
    // A user whose new page connects as the old one closes.
    enter('ann', 'websocket');
    await pause(GRACE_SECONDS * 1000 + 1500);
    expect(wordsOf(onlooker).toSorted()).toEqual(['join ann', 'occupied', 'online ann']);
  });

  test('a client that reconnects 1,000 times a minute causes no presence events', async () => {
    hub = await startUsersHub(PATIENT);
    const onlooker = watchPresence(`polycast.presence.${ROOM}`, 'polycast.users.*', 'polycast.channels.*');
    const headers = { Authorization: `Bearer ${hub.token('ann')}` };
    for (let connects = 1; connects <= 100; connects++) {
      const leave = new AbortController();
      await fetch(`${hub.url}/v1/events?channel=${ROOM}`, {
        headers: { ...headers, Accept: 'text/event-stream' },
        signal: leave.signal,
      });
      await pause(connects % 2 === 0 ? 40 : 1);
      leave.abort();
    }
    await until('ann is there', () => wordsOf(onlooker).length >= 3);
    expect(wordsOf(onlooker).toSorted()).toEqual(['join ann', 'occupied', 'online ann']);
    await until('all is told', () => wordsOf(onlooker).length === 6);
    expect(wordsOf(onlooker).slice(3).toSorted()).toEqual(['leave ann', 'offline ann', 'vacated']);
  });

  test('a channel with many users reports only their number', async () => {
    hub = await startUsersHub(CONFIG);
    const onlooker = watchPresence(`polycast.presence.${ROOM}`);
    const manyUsers = Array.from({ length: 25 }, (_, index) => enter(`user${index}`));
    await until('all are there', async () => (await snapshotOf()).users === 25);
    expect(await snapshotOf()).toMatchObject({ listed: false, members: [] });
    for (const one of manyUsers.slice(15)) await one.stop();
    await until('they are listed again', async () => (await snapshotOf()).listed);
    await until('that has been told', () => fold(publishedTo(onlooker)).users === 15);
    const snapshot = await snapshotOf();
    expect(fold(publishedTo(onlooker)).members).toEqual(sorted(snapshot.members));
    expect(usersIn(snapshot)).toEqual(Array.from({ length: 15 }, (_, index) => `user${index}`).toSorted());
  });

  test('counts anonymous sessions', async () => {
    hub = await startUsersHub(CONFIG);
    const visitors = ['sse', 'websocket', 'long-poll'] as const;
    for (const transport of visitors) hub.follow(transport, { channels: [ROOM], after: 'now' });
    await until('all are counted', async () => (await snapshotOf()).anonymous === 3);
    expect(await snapshotOf()).toMatchObject({ users: 0, members: [] });
  });

  test('a WebSocket joins and leaves with its subscriptions, and has a name once it has authenticated', async () => {
    hub = await startUsersHub({ ...CONFIG, rules: [{ pattern: 'room.>', subscribe: 'anyone', presence: 'users' }] });
    const onlooker = watchPresence('polycast.presence.>', 'polycast.users.*');
    const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events?channel=room.1`);
    const operate = (operation: object): void => socket.send(JSON.stringify(operation));
    await until('somebody is there', () => wordsOf(onlooker).join() === 'count');
    operate({ op: 'auth', ref: 1, token: hub.token('ann') });
    await until('it is ann', () => wordsOf(onlooker).includes('join ann'));
    operate({ op: 'subscribe', ref: 2, channels: ['room.2', 'room.*'] });
    operate({ op: 'unsubscribe', ref: 3, channels: ['room.1'] });
    await until('ann has gone on', () => wordsOf(onlooker).includes('leave ann'));
    expect((await snapshotOf('room.1')).users + (await snapshotOf('room.1')).anonymous).toBe(0);
    expect(usersIn(await snapshotOf('room.2'))).toEqual(['ann']);
    socket.close();
    await until('ann is offline', () => wordsOf(onlooker).includes('offline ann'));
    expect(wordsOf(onlooker).filter((word) => word.startsWith('online'))).toEqual(['online ann']);
  });

  test('is visible only with permission, and exists only where a rule enables it', async () => {
    hub = await startUsersHub({ ...CONFIG, rules: [...CONFIG.rules, { pattern: 'hall.>', subscribe: 'anyone' }] });
    const status = async (path: string, token?: string): Promise<number> =>
      (await call(hub.url + path, token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } })).status;
    const ann = hub.token('ann');
    expect(await status(`/v1/channels/${ROOM}/presence`)).toBe(401);
    expect(await status(`/v1/channels/${ROOM}/presence`, ann)).toBe(200);
    expect(await status(`/v1/events?channel=polycast.presence.${ROOM}`)).toBe(401);
    expect(await status(`/v1/events?channel=polycast.presence.${ROOM}`, ann)).toBe(200);
    expect(await status('/v1/events?channel=polycast.presence.hall.1', ann)).toBe(403);
    expect(await status('/v1/channels/hall.1/presence', ann)).toBe(403);
    expect(await status('/v1/channels/hall.1/presence', hub.key)).toBe(404);
    for (const channel of ['polycast.users.online', 'polycast.users.*', 'polycast.channels.occupied', 'polycast.>'])
      expect(await status(`/v1/events?channel=${channel}`, ann)).toBe(403);
    for (const channel of [`polycast.presence.${ROOM}`, 'polycast.users.online'])
      expect((await hub.request('POST', '/v1/events', { channel, data: {} })).status).toBe(403);
  });
});

describe('a snapshot', () => {
  test('and the events after its cursor add up to the presence, at any moment', async () => {
    hub = await startUsersHub({ ...CONFIG, presence: { ...CONFIG.presence, listedMax: 1000 } });
    const chance = seededChance();
    const here = new Map<string, Follower>();
    const snapshots: Snapshot[] = [];
    for (let round = 0; round < 120; round++) {
      const user = `user${chance.below(30)}`;
      const follower = here.get(user);
      if (follower === undefined) here.set(user, enter(user, chance.fraction() < 0.5 ? 'sse' : 'websocket'));
      else {
        here.delete(user);
        await follower.stop();
      }
      if (chance.fraction() < 0.4) snapshots.push(await snapshotOf());
      await pause(chance.fraction() * 60);
    }
    let last = await snapshotOf();
    await until('all is told', async () => {
      last = await snapshotOf();
      const isComplete = usersIn(last).join() === [...here.keys()].toSorted().join();
      return isComplete && last.members.every(({ sessions }) => sessions === 1);
    });
    for (const snapshot of snapshots) {
      const { events } = (
        await hub.request('GET', `/v1/events?channel=polycast.presence.${ROOM}&limit=1000&after=${snapshot.cursor}`)
      ).json<{ events: PresenceRecord[] }>();
      expect(fold(events, snapshot).members).toEqual(sorted(last.members));
    }
  });
});

describe('after a restart', () => {
  test('users who return within the grace period have not left', async () => {
    const data = temporaryFolder('presence');
    hub = await startUsersHub(PATIENT, { data });
    const { port } = hub.process;
    const onlooker = watchPresence(`polycast.presence.${ROOM}`, 'polycast.users.*', 'polycast.channels.*');
    enter('ann', 'sse');
    const bob = enter('bob', 'websocket');
    await until('both are there', () => wordsOf(onlooker).length === 5);
    const before = await snapshotOf();
    await hub.process.end('SIGKILL');
    await bob.stop();
    const started = await startUsersHub(PATIENT, { data, port }, hub.key);
    const { end } = hub;
    hub = { ...started, end: async () => void (await end(), await started.end()) };
    expect(sorted((await snapshotOf()).members)).toEqual(sorted(before.members));
    await until('bob has left', () => wordsOf(onlooker).length === 7);
    expect(wordsOf(onlooker).slice(5).toSorted()).toEqual(['leave bob', 'offline bob']);
    expect(
      fold(publishedTo(onlooker).filter(({ channel }) => channel.startsWith('polycast.presence.'))).members,
    ).toEqual(sorted((await snapshotOf()).members));
    expect(onlooker.errors).toEqual([]);
    expect(onlooker.gaps).toEqual([]);
  });

  test('a hub that drains reports no leave events', async () => {
    const data = temporaryFolder('presence');
    const config = { ...PATIENT, drain: { timeMs: 1500 } };
    hub = await startUsersHub(config, { data });
    const { port } = hub.process;
    const onlooker = watchPresence(`polycast.presence.${ROOM}`);
    for (const user of ['ann', 'bob', 'cyd']) enter(user);
    await until('all are there', () => wordsOf(onlooker).length === 3);
    expect(await hub.process.end('SIGTERM')).toBe(0);
    const started = await startUsersHub(config, { data, port }, hub.key);
    const { end } = hub;
    hub = { ...started, end: async () => void (await end(), await started.end()) };
    await pause(GRACE_SECONDS * 1000 + 2000);
    // They connected at the same time, so they have joined in any order.
    expect(wordsOf(onlooker).toSorted()).toEqual(['join ann', 'join bob', 'join cyd']);
    expect(usersIn(await snapshotOf())).toEqual(['ann', 'bob', 'cyd']);
  });

  test('after kill -9 at any moment, the published events add up to the snapshot', async () => {
    const data = temporaryFolder('presence');
    const chance = seededChance();
    hub = await startUsersHub(CONFIG, { data });
    const { port } = hub.process;
    const { end, key } = hub;
    const onlooker = watchPresence(`polycast.presence.${ROOM}`, 'polycast.users.*', 'polycast.channels.*');
    const here = new Map<string, Follower>();
    const started: UsersHub[] = [];
    for (let kill = 0; kill < 6; kill++) {
      const untilMs = performance.now() + 300 + chance.fraction() * 1500;
      while (performance.now() < untilMs) {
        const user = `user${chance.below(12)}`;
        const follower = here.get(user);
        if (follower === undefined) here.set(user, enter(user, chance.fraction() < 0.5 ? 'sse' : 'websocket'));
        else {
          here.delete(user);
          await follower.stop();
        }
        await pause(chance.fraction() * 40);
      }
      await hub.process.end('SIGKILL');
      started.push((hub = await startUsersHub(CONFIG, { data, port }, key)));
    }
    const last = hub;
    hub = { ...last, end: async () => void (await end(), await Promise.all(started.map((each) => each.end()))) };
    const inRoom = (): PresenceRecord[] =>
      publishedTo(onlooker).filter(({ channel }) => channel.startsWith('polycast.presence.'));
    const expected = [...here.keys()].toSorted();
    await until('all is told', async () => {
      const snapshot = await snapshotOf();
      return usersIn(snapshot).join() === expected.join() && snapshot.members.every(({ sessions }) => sessions === 1);
    });
    // The room and all users are announced one after the other. A kill may separate the two.
    await until('it has come', async () => {
      const isFolded = isDeepStrictEqual(fold(inRoom()).members, sorted((await snapshotOf()).members));
      return isFolded && onlineIn(publishedTo(onlooker)).join() === expected.join();
    });
    await pause(1500);
    expect(fold(inRoom()).members).toEqual(sorted((await snapshotOf()).members));
    expect(onlooker.gaps).toEqual([]);
    for (const family of ['polycast.users.', 'polycast.channels.']) {
      const sequences = publishedTo(onlooker)
        .filter(({ channel }) => channel.startsWith(family))
        .map(({ data }) => (data as { sequence: number }).sequence);
      expect(sequences).toEqual(sequences.map((_, index) => index + 1));
    }
    expect(onlineIn(publishedTo(onlooker))).toEqual(expected);
  });
});
