import { connect as connectHttp2, type ClientHttp2Session, type Settings } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startUsersHub, type UsersHub } from '../identity/kit/users-hub.ts';
import { selfSigned } from '../kit/certificates.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { until } from '../kit/wait.ts';
import { callAt, connectTo, processesOf } from './process-connections.ts';

/** More than one report of positions has. */
const STREAMS = 1200;
const CONNECTIONS = 4;
/**
 * The hub hands the first event to a connection that does not read,
 * and keeps the others in the log.
 */
const EVENTS = 3;
const EVENT_BYTES = 40_000;

/** More than a process has in flight at one time in any pool of a fixed size. */
const PULLS = 400;

interface Listed {
  readonly session: string;
  readonly behind: number;
}

let hub: UsersHub;
let owner = 0;
let follower = 0;
const clients: ClientHttp2Session[] = [];

beforeAll(async () => {
  hub = await startUsersHub(
    {
      processes: 2,
      tls: selfSigned(),
      rules: [{ pattern: 'room.>', subscribe: ['users'], publish: ['users'], presence: ['users'] }],
      limits: { connectionsPerUserMax: null, http2StreamsMax: STREAMS },
    },
    { data: temporaryFolder('processes') },
  );
  const headers = { Authorization: `Bearer ${hub.key}` };
  await until('both processes are there', async () => (await processesOf(hub.url, headers)).length === 2);
  [owner = 0, follower = 0] = (await processesOf(hub.url, headers)).map(({ pid }) => pid);
});

/** A connection to the follower, with HTTP/2. */
async function openHttp2(settings: Settings = {}): Promise<ClientHttp2Session> {
  const socket = await connectTo(hub.process, follower);
  const client = connectHttp2(hub.url, {
    settings,
    createConnection: () => connectTls({ socket, ALPNProtocols: ['h2'], rejectUnauthorized: false }),
  });
  client.on('error', () => undefined);
  clients.push(client);
  return client;
}

async function ask<Answer>(pid: number, path: string): Promise<Answer> {
  return (await callAt(hub.process, pid, path, { headers: { Authorization: `Bearer ${hub.key}` } })).json<Answer>();
}

afterAll(async () => {
  for (const client of clients) client.destroy();
  await hub.end();
});

test('all sessions of a follower that are behind are reported, also if they are many', async () => {
  // A client takes no more of a stream than this, so each session stays behind.
  const settings = { initialWindowSize: 1000 };
  for (let count = 0; count < CONNECTIONS; count++) {
    const client = await openHttp2(settings);
    for (let stream = 0; stream < STREAMS / CONNECTIONS; stream++)
      client
        .request({
          ':path': '/v1/events?channel=room.1',
          accept: 'text/event-stream',
          authorization: `Bearer ${hub.token('ann')}`,
        })
        .on('error', () => undefined);
  }
  const sessionsOf = async (): Promise<readonly Listed[]> =>
    (await ask<{ sessions: readonly Listed[] }>(owner, '/v1/users/ann')).sessions;
  await until('all streams are open', async () => (await sessionsOf()).length === STREAMS);
  for (let count = 0; count < EVENTS; count++) {
    const event = { channel: 'room.1', data: 'x'.repeat(EVENT_BYTES) };
    expect((await hub.request('POST', '/v1/events', event)).status).toBe(201);
  }

  await until('the follower has passed on what the clients take', async () => {
    const { readers } = await ask<{ readers: { slowest: readonly { lagEvents: number }[] } }>(follower, '/v1/status');
    return readers.slowest.length === 10 && readers.slowest.every(({ lagEvents }) => lagEvents === EVENTS - 1);
  });
  // A follower that is busy for two seconds leaves its sessions where they were.
  for (const pid of [owner, follower]) await expect.poll(() => countBehind(pid)).toBe(STREAMS);
  await until(
    'all of the user are behind',
    async () => (await sessionsOf()).filter(({ behind }) => behind === EVENTS - 1).length === STREAMS,
  );

  // Those that catch up are at the head again, also beside others that do not.
  const [reading] = clients;
  reading?.setLocalWindowSize(64 * 1024 * 1024);
  reading?.settings({ initialWindowSize: 1024 * 1024 });
  await until('the sessions of one connection have caught up', async () => {
    const caughtUp = (await sessionsOf()).filter(({ behind }) => behind === 0);
    return caughtUp.length === STREAMS / CONNECTIONS;
  });
});

/** The sessions that are behind, from all pages. */
async function countBehind(pid: number): Promise<number> {
  const behind = new Set<string>();
  for (let after: string | null = ''; after !== null;) {
    const path: string = `/v1/sessions?behind=${EVENTS - 1}&limit=1000${after === '' ? '' : `&after=${after}`}`;
    const page = await ask<{ sessions: readonly Listed[]; next: string | null }>(pid, path);
    for (const { session } of page.sessions) behind.add(session);
    after = page.next;
  }
  return behind.size;
}

test('requests that wait for the owner hold up no others, however many they are', async () => {
  const made = await hub.request('POST', '/v1/subscriptions', { channels: ['room.jobs'], delivery: { kind: 'pull' } });
  expect(made.status, made.text).toBe(201);
  const { id } = made.json<{ id: string }>();
  const client = await openHttp2();
  for (let count = 0; count < PULLS; count++) {
    const pull = client.request({
      ':method': 'POST',
      ':path': `/v1/subscriptions/${id}/pull`,
      authorization: `Bearer ${hub.key}`,
      'content-type': 'application/json',
    });
    pull.on('error', () => undefined);
    pull.end('{"waitSeconds":60}');
  }
  const waiting = async (): Promise<number> =>
    (await ask<{ sessions: Record<string, number> }>(owner, '/v1/status')).sessions['long-poll'] ?? 0;
  await until('all workers wait at the owner', async () => (await waiting()) === PULLS);
  // Of the owner: the answer passes the requests that wait.
  expect(await ask(follower, '/v1/users/bob')).toMatchObject({ user: 'bob', online: false });
  expect(await waiting()).toBe(PULLS);
  client.destroy();
  await until('no worker waits', async () => (await waiting()) === 0);
});

test('requests that follow each other on one connection are answered in their order', async () => {
  const socket = connectTls({ socket: await connectTo(hub.process, follower), rejectUnauthorized: false });
  let text = '';
  socket.on('error', () => undefined);
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const users = ['ann', 'bob', 'joe', 'kim'];
  const head = `HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${hub.key}\r\n\r\n`;
  socket.write(users.map((user) => `GET /v1/users/${user} ${head}`).join(''));
  const answered = (): readonly (string | undefined)[] => [...text.matchAll(/"user":"(\w+)"/g)].map(([, user]) => user);
  await until('all are answered', () => answered().length === users.length);
  expect(answered()).toEqual(users);
  socket.destroy();
});
