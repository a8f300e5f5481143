import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { TRANSPORTS, type Follower } from '../kit/clients/followers.ts';
import { until } from '../kit/wait.ts';
import { startUsersHub, type UsersHub } from './kit/users-hub.ts';

/** PROTOCOL.md section 13.5 from the outside. */
let hub: UsersHub;
beforeAll(async () => {
  hub = await startUsersHub({});
});
afterAll(() => hub.end());

interface UserAnswer {
  readonly online: boolean;
  readonly info?: unknown;
  readonly sessions: readonly { readonly transport: string; readonly channels: number; readonly behind: number }[];
}

const datas = (follower: Follower): unknown[] => follower.received.map(({ data }) => JSON.parse(data ?? 'null'));
const userOf = async (name: string): Promise<UserAnswer> =>
  (await hub.request('GET', `/v1/users/${encodeURIComponent(name)}`)).json<UserAnswer>();

/** Whether all of them have begun to read: later messages reach them live. */
async function arrived(user: string, followers: readonly Follower[]): Promise<void> {
  await until('all are there', async () => {
    await hub.request('POST', `/v1/users/${encodeURIComponent(user)}/events`, { data: 'are you there?' });
    return followers.every(({ received }) => received.length > 0);
  });
}

describe('a private message', () => {
  test.each(['7', 'ann@shop.example', 'Zoë/Ω 1', '-x', 'a.b'])(
    'reaches all devices of %s on all transports, and no other user',
    async (user) => {
      const mine = TRANSPORTS.map((transport) => hub.follow(transport, { channels: ['@me'], after: 'now', user }));
      const others = TRANSPORTS.map((transport) =>
        hub.follow(transport, { channels: ['@me'], after: 'now', user: `${user}0` }),
      );
      await arrived(user, mine);
      await arrived(`${user}0`, others);
      const reply = await hub.request('POST', `/v1/users/${encodeURIComponent(user)}/events`, {
        data: { secret: user },
      });
      expect(reply.status).toBe(201);
      for (const follower of mine) {
        await until('it has come', () => JSON.stringify(datas(follower)).includes(JSON.stringify({ secret: user })));
        expect(follower.received.at(-1)?.channel).toBe(reply.json<{ channel: string }>().channel);
      }
      await hub.request('POST', `/v1/users/${encodeURIComponent(`${user}0`)}/events`, { data: 'last' });
      for (const follower of others) {
        await until('the last has come', () => datas(follower).includes('last'));
        expect(new Set(datas(follower))).toEqual(new Set(['are you there?', 'last']));
      }
      for (const follower of [...mine, ...others]) {
        await follower.stop();
        expect(follower.errors).toEqual([]);
      }
    },
  );

  test.each(TRANSPORTS)('that was sent while its reader was offline arrives on return, on %s', async (transport) => {
    const user = `away-${transport}`;
    const before = hub.follow(transport, { channels: ['@me'], after: 'now', user });
    await arrived(user, [before]);
    await before.stop();
    const { cursor } = before;
    const sent = ['one', 'two', 'three'];
    for (const data of sent) await hub.request('POST', `/v1/users/${user}/events`, { data });
    const after = hub.follow(transport, { channels: ['@me'], after: cursor, user });
    await until('the letters have come', () => datas(after).includes('three'));
    expect(datas(after).slice(-3)).toEqual(sent);
    // Also, with the whole history, a device that was never connected.
    const fresh = hub.follow(transport, { channels: ['@me'], after: 'earliest', user });
    await until('all have come', () => datas(fresh).includes('three'));
    expect(datas(fresh).slice(-3)).toEqual(sent);
  });

  test('is readable by no other user, with any channel name', async () => {
    const { channel } = (await hub.request('POST', '/v1/users/ann/events', { data: 1 })).json<{ channel: string }>();
    const shown = { token: hub.token('bob') };
    for (const name of [
      channel,
      'polycast.private.*',
      'polycast.private.>',
      'polycast.>',
      '>',
      '*.*.ann',
      'polycast.*.ann',
    ])
      expect([
        name,
        (await hub.request('GET', `/v1/events?after=earliest&channel=${name}`, undefined, shown)).status,
      ]).toEqual([name, 403]);
    expect((await hub.request('GET', `/v1/channels/${channel}`, undefined, shown)).status).toBe(403);
    expect((await hub.request('GET', `/v1/channels/${channel}/history`, undefined, shown)).status).toBe(403);
    expect((await hub.request('GET', `/v1/channels/${channel}`, undefined, { token: hub.token('ann') })).status).toBe(
      200,
    );
    expect((await hub.request('POST', '/v1/users/ann/events', { data: 1 }, shown)).status).toBe(403);
  });

  test('may have a body of any media type', async () => {
    const headers = { 'Content-Type': 'text/plain', 'Polycast-Type': 'note' };
    expect((await hub.request('POST', '/v1/users/bare/events', 'Hello', { headers })).status).toBe(201);
    const json = { 'Content-Type': 'application/json', 'Polycast-Type': 'order' };
    expect((await hub.request('POST', '/v1/users/bare/events', '{"channel":1}', { headers: json })).status).toBe(201);
    const { events } = (
      await hub.request('GET', '/v1/events?channel=@me&after=earliest', undefined, { token: hub.token('bare') })
    ).json<{ events: { type: string; data: unknown }[] }>();
    expect(events.map(({ type, data }) => [type, data])).toEqual([
      ['note', 'Hello'],
      ['order', { channel: 1 }],
    ]);
  });

  test('is sent once with an idempotency key', async () => {
    const again = { headers: { 'Idempotency-Key': 'letter-1' } };
    const first = await hub.request('POST', '/v1/users/once/events', { data: 1 }, again);
    const second = await hub.request('POST', '/v1/users/once/events', { data: 1 }, again);
    expect(second.json()).toEqual(first.json());
    expect(second.headers['idempotency-replayed']).toBe('true');
  });

  test.each([
    ['/v1/users/once/events', [{ data: 1 }, { data: 2 }]],
    ['/v1/users/events', { users: ['once', 'twice'], data: 1 }],
    [
      '/v1/users/events',
      [
        { user: 'once', data: 1 },
        { users: ['once', 'twice'], data: 2 },
      ],
    ],
  ])('for several is named a repeat when all of it was sent before: %s %j', async (path, body) => {
    const again = { headers: { 'Idempotency-Key': JSON.stringify(body) } };
    const first = await hub.request('POST', path, body, again);
    const second = await hub.request('POST', path, body, again);
    expect([first.status, first.headers['idempotency-replayed']]).toEqual([200, undefined]);
    expect([second.json(), second.headers['idempotency-replayed']]).toEqual([first.json(), 'true']);
  });

  test.each([
    ['POST', '/v1/users/a%00b/events', { data: 1 }, 400, 'invalid_parameter'],
    ['POST', `/v1/users/${'x'.repeat(129)}/events`, { data: 1 }, 400, 'invalid_parameter'],
    ['POST', '/v1/users/ann/events', { channel: 'news', data: 1 }, 400, 'invalid_event'],
    ['POST', '/v1/users/ann/events', { user: 'ann', data: 1 }, 400, 'invalid_event'],
    ['POST', '/v1/users/events', { data: 1 }, 400, 'invalid_event'],
    ['POST', '/v1/users/events', { user: 'ann', users: ['bob'], data: 1 }, 400, 'invalid_event'],
    ['POST', '/v1/users/events', { user: 7, data: 1 }, 400, 'invalid_event'],
    ['POST', '/v1/users/events', { users: [], data: 1 }, 400, 'invalid_event'],
    ['POST', '/v1/users/events', { users: ['a', 'a'], data: 1 }, 400, 'invalid_event'],
    ['POST', '/v1/users/events', { users: ['a', ''], data: 1 }, 400, 'invalid_event'],
    ['POST', '/v1/users/events', { users: ['a'], ifMatch: 'none', data: 1 }, 400, 'invalid_event'],
    ['POST', '/v1/users/events', '{"user":"a","user":"b","data":1}', 400, 'duplicate_member'],
    ['POST', '/v1/users/events', { users: many(10_001), data: 1 }, 413, 'batch_too_large'],
    ['POST', '/v1/users/events', [1, 2].map(() => ({ users: many(5001), data: 1 })), 413, 'batch_too_large'],
    ['POST', '/v1/users/events', { users: many(1000), data: 'x'.repeat(20_000) }, 413, 'batch_too_large'],
    [
      'POST',
      '/v1/users/events',
      [1, 2].map(() => ({ users: many(100), data: 'x'.repeat(90_000) })),
      413,
      'batch_too_large',
    ],
    ['GET', '/v1/users/a%0ab', undefined, 400, 'invalid_parameter'],
    ['POST', '/v1/users/ann/disconnect', { reason: 1 }, 400, 'invalid_body'],
    ['POST', '/v1/users/ann/disconnect', { why: 'x' }, 400, 'invalid_body'],
  ])('%s %s is refused if it is invalid', async (method, path, body, status, code) => {
    const reply = await hub.request(method, path, body);
    expect([reply.status, reply.json<{ code: string }>().code]).toEqual([status, code]);
  });
});

describe('many private messages', () => {
  test('in an array, each has its own result', async () => {
    const reply = await hub.request('POST', '/v1/users/events', [
      { user: 'a', data: 1 },
      { users: ['a', 'b'], data: 2 },
      { user: '', data: 3 },
    ]);
    const results = reply.json<{ id?: string; results?: { channel: string }[]; error?: { code: string } }[]>();
    expect(reply.status).toBe(200);
    expect(results[0]?.id).toHaveLength(22);
    expect(results[1]?.results?.map(({ channel }) => channel)).toEqual(['polycast.private.a', 'polycast.private.b']);
    expect(results[2]?.error?.code).toBe('invalid_event');
  });

  test('by lines, 10,000 and more, in order', async () => {
    const lines = Array.from({ length: 12_000 }, (_, index) =>
      JSON.stringify({ user: `line${index % 40}`, data: index }),
    );
    const group = JSON.stringify({ users: many(1000), data: 'group' });
    const headers = { 'Content-Type': 'application/x-ndjson' };
    const reply = await hub.request('POST', '/v1/users/events', [...lines, group].join('\n'), { headers });
    const results = reply.text.trimEnd().split('\n');
    expect(results).toHaveLength(12_001);
    expect(results.filter((line) => line.includes('"error"'))).toEqual([]);
    expect((JSON.parse(results.at(-1) as string) as { results: unknown[] }).results).toHaveLength(1000);
    const { events } = (
      await hub.request('GET', '/v1/events?channel=@me&after=earliest&limit=1000', undefined, {
        token: hub.token('line7'),
      })
    ).json<{ events: { data: number }[] }>();
    expect(events.map(({ data }) => data)).toEqual(Array.from({ length: 300 }, (_, index) => index * 40 + 7));
  });

  test('and again with the same key: each user receives it once', async () => {
    const again = { headers: { 'Idempotency-Key': 'group-1' } };
    const first = await hub.request('POST', '/v1/users/events', { users: ['k1', 'k2'], data: 1 }, again);
    const second = await hub.request('POST', '/v1/users/events', { users: ['k2', 'k1', 'k3'], data: 1 }, again);
    const ids = (text: string): string[] =>
      (JSON.parse(text) as { results: { id: string }[] }).results.map(({ id }) => id);
    expect(ids(second.text).slice(0, 2)).toEqual(ids(first.text).toReversed());
    expect(ids(first.text)).not.toContain(ids(second.text)[2]);
  });
});

describe('a user', () => {
  test('is online on each transport, with the details of each session', async () => {
    const streams = (['long-poll', 'sse', 'websocket'] as const).map((transport) =>
      hub.follow(transport, { channels: ['@me', 'polycast.private.shown'], after: 'now', user: 'shown' }),
    );
    await until('all are connected', async () => (await userOf('shown')).sessions.length === 3);
    const shown = await userOf('shown');
    expect(shown.online).toBe(true);
    expect(shown.info).toEqual({ name: 'shown' });
    expect(shown.sessions.map(({ transport }) => transport).toSorted()).toEqual(['long-poll', 'sse', 'websocket']);
    for (const session of shown.sessions)
      expect(session).toMatchObject({ channels: 1, behind: 0, address: '127.0.0.1' });
    for (const stream of streams) await stream.stop();
    await until('all have gone', async () => !(await userOf('shown')).online);
  });

  test('that only polls is online between the requests', async () => {
    expect((await userOf('poller')).online).toBe(false);
    await hub.request('GET', '/v1/events?channel=@me', undefined, { token: hub.token('poller') });
    expect(await userOf('poller')).toMatchObject({ online: true, sessions: [] });
  });

  test.each(TRANSPORTS)(
    'is disconnected within a second, on %s, and may return with new credentials',
    async (transport) => {
      const user = `gone-${transport}`;
      const follower = hub.follow(transport, { channels: ['@me'], after: 'now', user });
      await arrived(user, [follower]);
      const startMs = performance.now();
      const reply = await hub.request('POST', `/v1/users/${user}/disconnect`, { reason: 'log-out' });
      expect(reply.status).toBe(200);
      await until('it is told to go', () => follower.errors.some((error) => error.startsWith('401')));
      // A client without events notices it at the end of a wait, after 25 seconds.
      expect(performance.now() - startMs).toBeLessThan(20_000);
      await follower.stop();
      await until('nothing is left of it', async () => (await userOf(user)).sessions.length === 0);
      const token = hub.token(user, { iat: Math.floor(Date.now() / 1000) + 1 });
      const back = hub.follow(transport, { channels: ['@me'], after: 'now', token });
      await arrived(user, [back]);
      expect(back.errors).toEqual([]);
    },
  );

  test('and the audit log contains the actions', async () => {
    await hub.request('POST', '/v1/users/noted/disconnect', { reason: 'fraud' });
    await hub.request('POST', '/v1/users/noted/reauthenticate');
    const { entries } = (await hub.request('GET', '/v1/audit?limit=5')).json<{
      entries: { action: string; subject: string; detail: object }[];
    }>();
    expect(entries.filter(({ subject }) => subject === 'noted').map(({ action }) => action)).toEqual([
      'user.reauthenticated',
      'user.disconnected',
      'revocation.made',
    ]);
    expect(entries.find(({ action }) => action === 'user.disconnected')?.detail).toEqual({
      sessions: 0,
      reason: 'fraud',
    });
  });
});

describe('a user of the site', () => {
  test.each(['long-poll', 'sse', 'websocket'] as const)(
    'is looked up again on demand, and %s continues with the answer',
    async (transport) => {
      let answer: object = { user: 'ann', subscribe: ['team.>'], ttlSeconds: 3600 };
      let asked = 0;
      const site = createServer((_request, response) => {
        asked++;
        response.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer));
      }).listen(0, '127.0.0.1');
      await once(site, 'listening');
      const loginUrl = `http://127.0.0.1:${(site.address() as AddressInfo).port}/login`;
      const other = await startUsersHub({ identity: { site: { loginUrl, headers: ['authorization'] } } });
      onTestFinished(async () => {
        await other.end();
        site.close();
        site.closeAllConnections();
      });
      const read = (): Follower =>
        other.follow(transport, { channels: ['team.1', '@me'], after: 'now', token: 'a session' });
      const sessions = async (): Promise<readonly { session: string }[]> =>
        (await other.request('GET', '/v1/users/ann')).json<{ sessions: { session: string }[] }>().sessions;
      const again = () => other.request('POST', '/v1/users/ann/reauthenticate');
      const follower = read();
      await until('it is there', async () => (await sessions()).length === 1);
      const [before] = await sessions();
      expect(asked).toBe(1);
      answer = { user: 'ann', subscribe: ['team.>'], info: { name: 'Ann' }, ttlSeconds: 60 };
      expect((await again()).json()).toEqual({ user: 'ann', sessions: 1 });
      await until('the site has been asked', () => asked === 2);
      await until('its answer holds', async () =>
        JSON.stringify(await (await other.request('GET', '/v1/users/ann')).json()).includes('"Ann"'),
      );
      // A poll is answered immediately, and its next request is another session.
      expect((await sessions())[0]?.session === before?.session).toBe(transport !== 'long-poll');
      answer = { user: null };
      await again();
      await until('it is told to go', () => follower.errors.some((error) => error.startsWith('401')));
      await until('nothing is left of it', async () => (await sessions()).length === 0);
    },
  );
});

function many(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `many${index}`);
}
