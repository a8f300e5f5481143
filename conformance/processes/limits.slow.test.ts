import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { startUsersHub, type UsersHub } from '../identity/kit/users-hub.ts';
import { openedOrRefused } from '../kit/clients/open-socket.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { until } from '../kit/wait.ts';
import { callAt, connectTo, processesOf } from './process-connections.ts';

const PER_USER_MAX = 3;
const PER_ADDRESS_MAX = 5;
/** In the time of a test no rate of 1 a second adds as many. */
const BURST = 1000;
const ADDED_MAX = BURST / 2;

let hub: UsersHub;
let pids: readonly number[] = [];

beforeAll(async () => {
  const room = { subscribe: ['users'], publish: ['users'], history: ['users'] };
  hub = await startUsersHub(
    {
      processes: 3,
      rules: [
        { pattern: 'slow.user', ...room, userPublishRatePerSecond: 1, userPublishBurst: BURST },
        { pattern: 'slow.all', ...room, userPublishRatePerSecond: null, publishRatePerSecond: 1, publishBurst: BURST },
        { pattern: 'room.>', ...room },
      ],
      limits: {
        connectionsPerUserMax: PER_USER_MAX,
        connectionsPerAddressMax: PER_ADDRESS_MAX,
        clientPublishRatePerSecond: null,
      },
    },
    { data: temporaryFolder('processes') },
  );
  await allAreThere();
});
afterAll(() => hub.end());

async function allAreThere(): Promise<void> {
  const headers = { Authorization: `Bearer ${hub.key}` };
  await until('all processes are there', async () => {
    pids = (await processesOf(hub.url, headers)).map(({ pid }) => pid);
    return pids.length === 3;
  });
}

test('the status has the connections, the queue and the durations of all processes', async () => {
  const [, first = 0] = pids;
  const before = await status();
  const { connectionsMax, connectionsMaxPerProcess = 0 } = before.limits;
  expect(connectionsMax).toBe(pids.length * connectionsMaxPerProcess);
  const publishes = 20;
  for (let count = 0; count < publishes; count++)
    await publishAt(first, [{ channel: 'room.status', data: count }], hub.key);
  const after = await status();
  const appends = ({ latency }: Status): number => latency.publishToDurable.counts.at(-1) ?? 0;
  expect(appends(after) - appends(before)).toBeGreaterThanOrEqual(publishes);
});

/** Its sessions count towards the limits of the next test until the hub has noticed their end. */
async function closeAll(sockets: readonly WebSocket[]): Promise<void> {
  for (const socket of sockets) socket.close();
  await until('the hub has no sessions', async () =>
    Object.values((await status()).sessions).every((count) => count === 0),
  );
}

interface Status {
  readonly processesSilent: readonly number[];
  readonly sessions: Readonly<Record<string, number>>;
  readonly limits: Readonly<Record<string, number>>;
  readonly latency: { readonly publishToDurable: { readonly counts: readonly number[] } };
}

/** A process that is busy for two seconds is left out, and the next answer has it again. */
async function status(): Promise<Status> {
  let found: Status | undefined;
  await until('all processes answer', async () => {
    found = (await hub.request('GET', '/v1/status')).json<Status>();
    return found.processesSilent.length === 0;
  });
  return found as Status;
}

test.each([
  { limit: 'of a user', userOf: () => 'ann', max: PER_USER_MAX },
  { limit: 'of an address', userOf: (number: number) => `user${number}`, max: PER_ADDRESS_MAX },
])('the limit of sessions $limit holds for all processes together', async ({ userOf, max }) => {
  let users = 0;
  const sockets: WebSocket[] = [];
  // All at once: each process has room for them by its own count.
  const opened = Array.from({ length: max + 3 }, async (_, index) => {
    const outcome = await open(userOf(users++), pids[index % pids.length] as number);
    if (typeof outcome !== 'number') sockets.push(outcome);
    return outcome;
  });
  const refused = (await Promise.all(opened)).filter((outcome) => typeof outcome === 'number');
  const live = (): readonly WebSocket[] => sockets.filter(({ readyState }) => readyState === WebSocket.OPEN);
  await until('no more are open than the limit allows', () => live().length <= max);
  expect(live()).toHaveLength(max);
  expect(new Set(refused)).toEqual(new Set(refused.map(() => 429)));
  for (const pid of pids)
    await until('every process refuses another one', async () => (await openAndClose(userOf(users++), pid)) === 429);
  expect(live()).toHaveLength(max);
  for (const pid of pids) {
    live()[0]?.close();
    // Also at the two processes that did not have it.
    await until('there is room for one', async () => {
      const outcome = await open(userOf(users++), pid);
      if (typeof outcome === 'number') return false;
      sockets.push(outcome);
      return true;
    });
  }
  expect(live()).toHaveLength(max);
  await closeAll(sockets);
});

test('the next owner counts the sessions that the followers have kept', async () => {
  const [owner = 0, first = 0] = pids;
  const kept: WebSocket[] = [];
  await until('the user has all sessions at a follower', async () => {
    const outcome = await open('bob', first);
    if (typeof outcome !== 'number') kept.push(outcome);
    return kept.length === PER_USER_MAX;
  });
  process.kill(owner, 'SIGKILL');
  await until('another process is the owner', async () => {
    const [next] = await processesOf(hub.url, { Authorization: `Bearer ${hub.key}` });
    return next !== undefined && next.pid !== owner;
  });
  await allAreThere();
  for (const pid of pids)
    await until('every process refuses another one', async () => (await openAndClose('bob', pid)) === 429);
  expect(kept.map(({ readyState }) => readyState)).toEqual(kept.map(() => WebSocket.OPEN));
  await closeAll(kept);
});

test('a limit that a reload lowers holds for the sessions that are open already, which stay', async () => {
  const [, first = 0] = pids;
  const kept: WebSocket[] = [];
  await until('the user has sessions at a follower', async () => {
    const outcome = await open('sue', first);
    if (typeof outcome !== 'number') kept.push(outcome);
    return kept.length === PER_USER_MAX - 1;
  });
  // A session of which the owner hears after the reload counts as one that opens then.
  await until('the owner knows them', async () => {
    const { sessions } = (await hub.request('GET', '/v1/users/sue')).json<{ readonly sessions: readonly object[] }>();
    return sessions.length === kept.length;
  });
  const { spawnargs } = hub.process.child;
  const file = spawnargs[spawnargs.indexOf('--config') + 1] as string;
  const config = JSON.parse(readFileSync(file, 'utf8')) as { limits: object };
  writeFileSync(file, JSON.stringify({ ...config, limits: { ...config.limits, connectionsPerUserMax: 1 } }));
  expect((await hub.request('POST', '/v1/reload')).status).toBe(200);
  for (const pid of pids)
    await until('every process refuses another one', async () => (await openAndClose('sue', pid)) === 429);
  expect(kept.map(({ readyState }) => readyState)).toEqual(kept.map(() => WebSocket.OPEN));
  for (const socket of kept) socket.close();
  for (const pid of pids) await until('there is room for one', async () => (await openAndClose('sue', pid)) === 101);
});

test.each(['slow.user', 'slow.all'])('a rate of publishing holds for all processes together: %s', async (channel) => {
  const [, first = 0] = pids;
  expect(await publishBurst(first, channel)).toBe(BURST);
  // A later commit of the same process: when it is answered, the owner knows what was taken before.
  const { id } = (await publishAt(first, [{ channel: 'room.sync', data: 1 }], hub.key)).json<[{ id: string }]>()[0];
  for (const pid of pids) {
    // A read behind this commit waits for it, and so for the news before it.
    const path = `/v1/events?channel=room.sync&after=${id}`;
    expect((await callAt(hub.process, pid, path, { headers: { Authorization: `Bearer ${hub.key}` } })).status).toBe(
      200,
    );
    expect(await publishBurst(pid, channel)).toBeLessThan(ADDED_MAX);
  }
});

/** Publishes a burst, and counts what was accepted. */
async function publishBurst(pid: number, channel: string): Promise<number> {
  const events = Array.from({ length: BURST }, (_, data) => ({ channel, data }));
  const reply = await publishAt(pid, events, hub.token('kim'));
  return reply.json<readonly { id?: string }[]>().filter(({ id }) => id !== undefined).length;
}

function publishAt(pid: number, events: readonly object[], token: string): ReturnType<typeof callAt> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  return callAt(hub.process, pid, '/v1/events', { method: 'POST', body: JSON.stringify(events), headers });
}

/** Opens a WebSocket of a user at a process. Returns the status of a refusal. */
async function open(user: string, pid: number): Promise<WebSocket | number> {
  const connection = await connectTo(hub.process, pid);
  const url = `${hub.url.replace('http', 'ws')}/v1/events?channel=room.1`;
  const headers = { Authorization: `Bearer ${hub.token(user)}` };
  return openedOrRefused(new WebSocket(url, { headers, createConnection: () => connection as never }));
}

async function openAndClose(user: string, pid: number): Promise<number> {
  const outcome = await open(user, pid);
  if (typeof outcome === 'number') return outcome;
  outcome.terminate();
  return 101;
}
