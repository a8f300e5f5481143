import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { openAuthenticatedHub, type AuthenticatedHub } from '../testing/authenticated-hub.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';

interface Listed {
  readonly session: string;
  readonly state: string;
  readonly transport: string;
  readonly user?: string;
  readonly address: string;
  readonly channels: readonly string[];
  readonly opened: string;
  readonly reason: string | null;
  readonly polls?: number;
  readonly cursor: string;
  readonly openedCursor: string | null;
}

interface Page {
  readonly sessions: readonly Listed[];
  readonly next: string | null;
  readonly journal: { readonly enabled: boolean; readonly since: string | null };
}

async function list(hub: AuthenticatedHub, query: string): Promise<Page> {
  return (await (await hub.administer('GET', `/v1/sessions?${query}`)).json()) as Page;
}

async function open(hub: AuthenticatedHub, query: string, user: string): Promise<void> {
  await (await hub.follow(query, hub.token(user))).waitForText('polycast.ready');
}

test('live sessions are listed by user, channel, transport and lag, and page by page', async () => {
  const hub = await openAuthenticatedHub();
  await open(hub, 'channel=chat.1', 'ann');
  await open(hub, 'channel=chat.>', 'bob');
  await hub.socket(`channel=chat.2&token=${hub.token('ann')}`).waitForMessage({ op: 'ready' });
  const users = async (query: string): Promise<readonly (string | undefined)[]> =>
    (await list(hub, query)).sessions.map(({ user, transport }) => `${user} ${transport}`).toSorted();
  expect(await users('')).toEqual(['ann sse', 'ann websocket', 'bob sse']);
  expect(await users('user=ann')).toEqual(['ann sse', 'ann websocket']);
  expect(await users('channel=chat.1')).toEqual(['ann sse', 'bob sse']);
  expect(await users('transport=websocket')).toEqual(['ann websocket']);
  expect(await users('address=203.0.113.7')).toEqual([]);
  expect(await users('behind=1')).toEqual([]);
  const found: Listed[] = [];
  for (let after: string | null = ''; after !== null;) {
    const page: Page = await list(hub, `limit=1${after === '' ? '' : `&after=${after}`}`);
    found.push(...page.sessions);
    after = page.next;
  }
  expect(new Set(found.map(({ session }) => session)).size).toBe(3);
  expect(found[0]).toMatchObject({ state: 'live', reason: null, openedCursor: expect.any(String) });
});

test('the time at which a session was opened does not depend on when one asks', async () => {
  const hub = await openAuthenticatedHub();
  await open(hub, 'channel=chat.1', 'ann');
  await hub.socket(`channel=chat.2&token=${hub.token('ann')}`).waitForMessage({ op: 'ready' });
  const times = async (): Promise<readonly number[]> =>
    (await list(hub, '')).sessions.map(({ opened }) => Date.parse(opened)).toSorted();
  const first = await times();
  expect(first).toHaveLength(2);
  const asked = Date.now();
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(asked + 20));
  expect(await times()).toEqual(first);
});

test('an ended session stays in the journal with its end, and a restart does not lose it', async () => {
  const data = temporaryFolder();
  const hub = await openAuthenticatedHub({ data });
  const key = hub.firstKey as string;
  await open(hub, 'channel=chat.1', 'ann');
  const [live] = (await list(hub, 'user=ann')).sessions;
  const ended = await hub.administer('DELETE', `/v1/sessions/${live?.session}`);
  expect([ended.status, await ended.json()]).toEqual([200, { session: live?.session, transport: 'sse', user: 'ann' }]);
  await vi.waitFor(async () => expect((await list(hub, 'state=ended&user=ann')).sessions).toHaveLength(1));
  const one = await hub.administer('GET', `/v1/sessions/${live?.session}`);
  expect(await one.json()).toMatchObject({ state: 'ended', reason: 'ended', cursor: live?.cursor, user: 'ann' });
  expect((await hub.administer('DELETE', `/v1/sessions/${live?.session}`)).status).toBe(404);
  const { entries } = (await (await hub.administer('GET', '/v1/audit')).json()) as { entries: object[] };
  expect(entries[0]).toMatchObject({ action: 'session.ended', subject: live?.session });
  await open(hub, 'channel=chat.1', 'bob');
  await hub.close();
  const again = await openAuthenticatedHub({ data });
  const answer = await fetch(`${again.url}/v1/sessions?state=ended`, { headers: { Authorization: `Bearer ${key}` } });
  const { sessions } = (await answer.json()) as Page;
  expect(sessions.map(({ user, reason }) => [user, reason])).toEqual([
    ['bob', 'drain'],
    ['ann', 'ended'],
  ]);
});

test('the journal waits for sessions whose sockets close late', async () => {
  const data = temporaryFolder();
  const hub = await openAuthenticatedHub({ data });
  const key = hub.firstKey as string;
  await open(hub, 'channel=chat.1', 'ann');
  const emit = Socket.prototype.emit as (this: Socket, event: string | symbol, ...rest: unknown[]) => boolean;
  const emitLate = vi.spyOn(Socket.prototype, 'emit').mockImplementation(function (this: Socket, event, ...rest) {
    const isServed = (this as { server?: unknown }).server !== undefined;
    if (event !== 'close' || !isServed) return emit.call(this, event, ...rest);
    // The other parts of the hub have closed by then. A longer time would change nothing.
    setTimeout(() => emit.call(this, event, ...rest), 200);
    return true;
  });
  await hub.close();
  emitLate.mockRestore();
  const again = await openAuthenticatedHub({ data });
  const answer = await fetch(`${again.url}/v1/sessions?state=ended`, { headers: { Authorization: `Bearer ${key}` } });
  expect(((await answer.json()) as Page).sessions).toMatchObject([{ user: 'ann', reason: 'drain' }]);
});

test('the polls of a user are one session, which ends when they stop', async () => {
  const hub = await openAuthenticatedHub();
  const headers = { Authorization: `Bearer ${hub.token('ann')}` };
  let cursor = 'now';
  let tag = '';
  for (let poll = 0; poll < 4; poll++) {
    const answer = await fetch(`${hub.url}/v1/events?channel=chat.1&after=${cursor}`, {
      headers: { ...headers, ...(poll === 3 && { 'If-None-Match': tag }) },
    });
    tag = answer.headers.get('etag') ?? '';
    if (poll === 3) expect(answer.status).toBe(304);
    else ({ cursor } = (await answer.json()) as { cursor: string });
    if (poll === 1) await hub.publish('chat.1', poll);
  }
  const { sessions } = await list(hub, 'user=ann');
  expect(sessions).toMatchObject([{ transport: 'short-poll', state: 'live', polls: 4, cursor }]);
  await vi.waitFor(
    async () =>
      expect((await list(hub, 'state=ended&user=ann')).sessions).toMatchObject([{ reason: 'idle', polls: 4 }]),
    { timeout: 20_000, interval: 50 },
  );
});

test('a long poll that waits is shown as the poller, and ends with it', async () => {
  const hub = await openAuthenticatedHub();
  const headers = { Authorization: `Bearer ${hub.token('ann')}` };
  await (await fetch(`${hub.url}/v1/events?channel=chat.1`, { headers })).json();
  const waiting = fetch(`${hub.url}/v1/events?channel=chat.1&wait=60`, { headers });
  await vi.waitFor(async () => expect((await list(hub, 'user=ann')).sessions).toHaveLength(1));
  const [{ session } = { session: '' }] = (await list(hub, 'user=ann')).sessions;
  expect((await hub.administer('DELETE', `/v1/sessions/${session}`)).status).toBe(200);
  expect((await waiting).status).toBe(200);
});

test('a WebSocket without channels is recorded with its first channels, or with its end', async () => {
  const hub = await openAuthenticatedHub({ data: temporaryFolder() });
  const open = async (user: string): Promise<ReturnType<typeof hub.socket>> => {
    const socket = hub.socket(`token=${hub.token(user)}`);
    await socket.waitForMessage({ op: 'ready' });
    return socket;
  };
  const [ann, bob, cid] = [await open('ann'), await open('bob'), await open('cid')];
  await ann.request({ op: 'subscribe', channels: ['chat.1'] });
  const { id } = (await (await hub.administer('DELETE', '/v1/users/cid/data')).json()) as { readonly id: string };
  await vi.waitFor(async () =>
    expect(await (await hub.administer('GET', `/v1/erasures/${id}`)).json()).toMatchObject({ state: 'finished' }),
  );
  for (const socket of [ann, bob, cid]) socket.close();
  await vi.waitFor(async () => expect((await list(hub, '')).sessions).toEqual([]));
  const { sessions } = await list(hub, 'state=ended');
  expect(sessions.map(({ user, channels }) => [user, channels]).toSorted()).toEqual([
    ['ann', ['chat.1']],
    ['bob', []],
  ]);
});

test('addresses are stored as the setting says', async () => {
  const hub = await openAuthenticatedHub({ sessions: { journalAddresses: 'truncated' } });
  await open(hub, 'channel=chat.1', 'ann');
  const [live] = (await list(hub, 'user=ann')).sessions;
  expect(live?.address).toMatch(/127\.0\.0\.1$/);
  await hub.administer('DELETE', `/v1/sessions/${live?.session}`);
  await vi.waitFor(async () =>
    expect((await list(hub, 'state=ended')).sessions).toMatchObject([{ address: '127.0.0.0' }]),
  );
});

test('without the journal there is no file, and live sessions are listed all the same', async () => {
  const data = temporaryFolder();
  const hub = await openAuthenticatedHub({ data, sessions: { journalEntriesMax: 0 } });
  await open(hub, 'channel=chat.1', 'ann');
  const page = await list(hub, '');
  expect(page.sessions).toMatchObject([{ user: 'ann', openedCursor: null }]);
  expect(page.journal).toEqual({ enabled: false, since: null });
  expect((await list(hub, 'state=ended')).sessions).toEqual([]);
  expect(existsSync(join(data, 'sessions'))).toBe(false);
});

test('invalid filters are refused', async () => {
  const hub = await openAuthenticatedHub();
  for (const query of ['state=gone', 'transport=pigeon', 'state=ended&behind=1', 'state=ended&after=x', 'behind=0'])
    expect([query, (await hub.administer('GET', `/v1/sessions?${query}`)).status]).toEqual([query, 400]);
});

test("erasing a user's data erases the user's sessions", async () => {
  const hub = await openAuthenticatedHub({ data: temporaryFolder() });
  await open(hub, 'channel=chat.1', 'ann');
  await open(hub, 'channel=chat.1', 'bob');
  for (const { session } of (await list(hub, '')).sessions) await hub.administer('DELETE', `/v1/sessions/${session}`);
  await vi.waitFor(async () => expect((await list(hub, 'state=ended')).sessions).toHaveLength(2));
  expect((await hub.administer('DELETE', '/v1/users/ann/data')).status).toBe(202);
  await vi.waitFor(async () =>
    expect((await list(hub, 'state=ended')).sessions).toMatchObject([{ user: 'bob', reason: 'ended' }]),
  );
});
