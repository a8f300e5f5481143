import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { presence, createPresenceState, type Presence, type PresentUser } from './presence.ts';
import { connectForTest, until } from './testing/connections.ts';
import { startTestHub, type TestHub } from './testing/hub.ts';
import { startProxy } from './testing/proxy.ts';
import { TOKEN_SETTINGS, tokenOf } from './testing/tokens.ts';
import type { Connection } from './index.ts';

const RULES = [
  { pattern: 'room.>', subscribe: 'users', presence: 'users' },
  { pattern: 'dark.>', subscribe: 'users' },
];

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub({
    settings: [
      'access=rules',
      `rules=${JSON.stringify(RULES)}`,
      'presence.graceSeconds=1',
      // Longer than any test: a client that counts as present because of a poll does not leave.
      'presence.pollSeconds=3600',
      'delivery.heartbeatMs=1000',
      ...TOKEN_SETTINGS,
    ],
  });
});
afterAll(() => hub.kill());

const names = ({ members }: Presence): string[] => members.map(({ user }) => user).toSorted();

async function enter(channel: string, user: string, claims: object = {}): Promise<Connection> {
  const connection = connectForTest(hub.url, { token: tokenOf(user, 60, claims) });
  await connection.subscribe(channel, () => undefined).joined;
  return connection;
}

/** Watches presence until the test ends; the last of `moments` is the current one. */
function follow(connection: Connection, channel: string): Presence[] {
  const moments: Presence[] = [];
  const watch = presence(connection, channel);
  const following = (async () => {
    for await (const moment of watch) moments.push(moment);
  })();
  onTestFinished(async () => {
    watch.close();
    await following;
  });
  return moments;
}

test.each(['websocket', 'sse', 'long-poll'] as const)(
  'a reader of history leaves as soon as any other user: over %s',
  async (transport) => {
    const channel = `room.${transport}`;
    const ada = await enter(channel, 'ada');
    const moments = follow(ada, channel);
    const bo = connectForTest(hub.url, { token: tokenOf('bo'), transports: [transport] });
    for (const start of [{ history: 5 }, { after: 'earliest' }, {}])
      await bo.subscribe(channel, () => undefined, start).joined;
    await until(() => moments.at(-1)?.members.length === 2);
    bo.close();
    await until(() => moments.at(-1)?.members.length === 1);
  },
);

test('presence begins with a snapshot and continues with each change', async () => {
  const ada = await enter('room.a', 'ada', { info: { name: 'Ada' } });
  const moments = follow(ada, 'room.a');
  await until(() => moments.at(-1)?.members.length === 1);
  expect(moments.at(-1)?.members[0]).toMatchObject({ user: 'ada', info: { name: 'Ada' }, sessions: 1 });
  const bo = await enter('room.a', 'bo');
  await until(() => moments.at(-1)?.members.length === 2);
  expect(moments.at(-1)).toMatchObject({ listed: true, users: 2, change: { kind: 'join', user: 'bo' } });
  bo.close();
  await until(() => moments.at(-1)?.members.length === 1);
  expect(moments.at(-1)?.change).toEqual({ kind: 'leave', user: 'bo' });
});

test('a reconnect misses no change', async () => {
  const proxy = await startProxy(hub.url);
  const watcher = connectForTest(proxy.url, { token: tokenOf('watcher') });
  const moments = follow(watcher, 'room.cut');
  await until(() => moments.length > 0);
  proxy.cut();
  await enter('room.cut', 'ada');
  proxy.cut();
  await enter('room.cut', 'bo');
  await until(() => moments.at(-1)?.members.length === 2);
  expect(names(moments.at(-1) as Presence)).toEqual(['ada', 'bo']);
});

test('leaving the loop ends it, and so does closing the connection', async () => {
  const ada = await enter('room.b', 'ada');
  for await (const { members } of presence(ada, 'room.b')) if (members.length === 1) break;
  const iterated = Array.fromAsync(presence(ada, 'room.b'));
  ada.close();
  await iterated;
});

test('without permission for presence, the iteration reports it', async () => {
  const ada = await enter('room.c', 'ada');
  const refused = (async () => {
    for await (const _ of presence(ada, 'dark.a')) return;
  })();
  await expect(refused).rejects.toMatchObject({ code: 'forbidden', problem: { channel: 'dark.a' } });
});

test('a channel with too many members reports counts, and members again when there are fewer', () => {
  const member = (user: string): PresentUser => ({ user, sessions: 1, since: '2026-01-01T00:00:00.000Z' });
  const room = createPresenceState({ members: [member('ada')], listed: true, users: 1, anonymous: 0 });
  const apply = (type: string, data: unknown): Presence =>
    room.current(room.apply({ id: '', channel: 'polycast.presence.a', time: '', type: `polycast.${type}`, data }));
  expect(apply('join', member('bo'))).toMatchObject({ users: 2 });
  expect(apply('update', { ...member('bo'), sessions: 3 }).members[1]).toMatchObject({ user: 'bo', sessions: 3 });
  expect(apply('count', { users: 500, anonymous: 7, listed: false })).toMatchObject({
    members: [],
    listed: false,
    users: 500,
    anonymous: 7,
  });
  apply('count', { users: 1, anonymous: 0, listed: true });
  expect(apply('join', member('eve'))).toMatchObject({ listed: true, users: 1, members: [member('eve')] });
});
