import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { startUsersHub, type UsersHub } from '../identity/kit/users-hub.ts';
import { NATS_SERVER, startBrokers, type Brokers } from '../kit/brokers.ts';
import { openedOrRefused } from '../kit/clients/open-socket.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { until } from '../kit/wait.ts';

/** The limit of a user's sessions at three whole hubs, each a process, on a real broker. */
const PER_USER_MAX = 4;

/** Opens a WebSocket of a user. Returns the status of a refusal. */
async function open(hub: UsersHub, user: string): Promise<WebSocket | number> {
  const headers = { Authorization: `Bearer ${hub.token(user)}` };
  return openedOrRefused(new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events?channel=room`, { headers }));
}

async function isRefused(hub: UsersHub, user: string): Promise<boolean> {
  const outcome = await open(hub, user);
  if (typeof outcome === 'number') expect(outcome).toBe(429);
  else outcome.terminate();
  return typeof outcome === 'number';
}

/**
 * A probe that is accepted counts at the other hubs for a moment,
 * so two rounds have to be without one.
 */
async function untilAllRefuse(hubs: readonly UsersHub[], user: string): Promise<void> {
  let rounds = 0;
  await until('each hub refuses another session', async () => {
    let refusals = 0;
    for (const hub of hubs) if (await isRefused(hub, user)) refusals++;
    rounds = refusals === hubs.length ? rounds + 1 : 0;
    return rounds >= 2;
  });
}

async function untilOpened(hub: UsersHub, user: string): Promise<WebSocket> {
  let socket: WebSocket | undefined;
  await until('there is room for a session', async () => {
    const outcome = await open(hub, user);
    if (typeof outcome !== 'number') socket = outcome;
    return socket !== undefined;
  });
  return socket as WebSocket;
}

describe.skipIf(NATS_SERVER === undefined)('the limit of the sessions of a user in a cluster', () => {
  let brokers: Brokers;
  const hubs: UsersHub[] = [];

  beforeAll(async () => {
    brokers = await startBrokers({ count: 1 });
    for (let index = 0; index < 3; index++) {
      const config = {
        cluster: brokers.settings,
        rules: [{ pattern: 'room', subscribe: ['users'] }],
        limits: { connectionsPerUserMax: PER_USER_MAX },
      };
      hubs.push(await startUsersHub(config, { data: temporaryFolder('hub') }, hubs[0]?.key));
    }
  });
  afterAll(async () => {
    for (const hub of hubs) await hub.end();
    await brokers.end();
  });

  test('holds for all hubs together, and a hub that is killed has no sessions', async () => {
    const [one, two, three] = hubs as [UsersHub, UsersHub, UsersHub];
    const sockets: WebSocket[] = [];
    for (const hub of [one, one, two, three]) sockets.push(await untilOpened(hub, 'ann'));
    await untilAllRefuse(hubs, 'ann');
    expect(await isRefused(two, 'bob')).toBe(false);
    expect(sockets.map(({ readyState }) => readyState)).toEqual(sockets.map(() => WebSocket.OPEN));

    sockets[0]?.close();
    sockets.push(await untilOpened(three, 'ann'));
    await untilAllRefuse(hubs, 'ann');

    await three.process.end('SIGKILL');
    sockets.push(await untilOpened(one, 'ann'), await untilOpened(two, 'ann'));
    await untilAllRefuse([one, two], 'ann');
    for (const socket of sockets) socket.terminate();
  });
});
