// The cost of identified users: memory of a session, CPU of a delivery, and the time to end one
// user's sessions.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CollectedMemory, collectedMemory, withDebugger } from '../../harness/collected-memory.ts';
import { nothingLost } from '../../harness/fanout.ts';
import { type LoadRun, runLoad } from '../../harness/load.ts';
import { type Contender, metricOf, ratioOf, runInterleaved, type Scenario } from '../../harness/scenario.ts';
import { polycast } from '../../peers/polycast.ts';
import { type HubWithUsers, startHubWithUsers } from '../../peers/polycast-with-users.ts';

const connections = 15_000;
const readers = 2_500;
/**
 * Opened before the measured ones, so that memory that is allocated once does not count as theirs.
 */
const warmUpConnections = 3_000;
/**
 * The session journal has written the opened connections by then. What still waits for the disk
 * would count as memory of the warm-up.
 */
const restSeconds = 3;
const delivery = { subscribers: readers, events: 240, publishers: 64, eventBytes: 128, warmUpEvents: 120 };
/** These users are revoked one after the other; each has this many sessions. */
const revokedUsers = 20;
const sessionsEach = 3;

const memoryMoreMax = 0.7;
const deliveryRatioMax = 1.05;
const revocationMillisecondsMax = 50;

const ways: readonly (readonly [name: string, users: boolean, presence: boolean])[] = [
  ['nobody known', false, false],
  ['users', true, false],
  ['users, present', true, true],
];

export const identifiedSessions: Scenario = {
  name: 'identified-sessions',
  title: 'Identified sessions',
  run: async (options) => {
    const contenders: Contender[] = [
      ...ways.flatMap(([name, users, presence]) => [
        {
          name: `idle, ${name}`,
          peer: polycast,
          run: () => withHub(users ? 1 : 0, presence, (hub) => idle(hub, users), withDebugger),
        },
        burst(`burst, ${name}`, users ? readers : 0, presence),
      ]),
      { name: 'revocation', peer: polycast, run: () => withHub(1, true, revoke) },
    ];
    const series = await runInterleaved(contenders, options);
    const memory = 'liveKilobytesPerConnection';
    const cpu = 'serverCpuMicrosecondsPerDelivery';
    const anonymous = metricOf(series, 'idle, nobody known', memory);
    return {
      settings: {
        connections,
        warmUpConnections,
        restSeconds,
        readers,
        revokedUsers,
        sessionsEach,
        eventBytes: delivery.eventBytes,
      },
      series,
      bars: [
        {
          title: 'memory of an identified session with presence, beyond an anonymous one',
          figure: metricOf(series, 'idle, users, present', memory) - anonymous,
          atMost: memoryMoreMax,
          unit: 'kB',
        },
        {
          title: 'memory of an identified session without presence, beyond an anonymous one',
          figure: metricOf(series, 'idle, users', memory) - anonymous,
          unit: 'kB',
        },
        {
          title: 'CPU of a delivery with rules, users and presence, relative to one without',
          figure: ratioOf(series, 'burst, users, present', 'burst, nobody known', cpu),
          atMost: deliveryRatioMax,
          unit: '×',
        },
        {
          title: `server time to revoke one user among ${connections} connections`,
          figure: metricOf(series, 'revocation', 'cpuMillisecondsEach'),
          atMost: revocationMillisecondsMax,
          unit: 'ms',
        },
        {
          title: 'longest time from the request to the end of the last session of the user',
          figure: metricOf(series, 'revocation', 'endedMillisecondsMax'),
          atMost: 1000,
          unit: 'ms',
        },
        nothingLost(series, 'burst, users, present'),
      ],
      charts: [
        {
          title: 'Live memory of an idle connection, its socket in the kernel apart',
          figure: memory,
          unit: 'kB',
          better: 'less',
        },
      ],
      columns: [
        { title: 'live memory, kB each', figure: memory },
        { title: 'all memory, kB each', figure: 'memoryKilobytesPerConnection' },
        { title: 'CPU, µs a delivery', figure: cpu },
        { title: 'deliveries/s', figure: 'deliveriesPerSecond' },
      ],
    };
  },
};

function burst(name: string, users: number, presence: boolean): Contender {
  return {
    name,
    peer: polycast,
    run: () =>
      withHub(users, presence, (hub) =>
        runLoad('fanout', {
          port: hub.port,
          pids: hub.process.pids().join(','),
          transport: 'sse',
          ...hub.subscribeOptions,
          ...hub.publishOptions,
          ...delivery,
        }),
      ),
  };
}

async function withHub<T>(
  users: number,
  presence: boolean,
  use: (hub: HubWithUsers) => Promise<T>,
  nodeArguments: readonly string[] = [],
): Promise<T> {
  const hub = await startHubWithUsers(users, presence, nodeArguments);
  try {
    return await use(hub);
  } finally {
    await hub.process.stop();
  }
}

/** The memory of each connection after a collection: the two ways leave very different garbage. */
async function idle(hub: HubWithUsers, users: boolean): Promise<LoadRun> {
  const names = Array.from({ length: connections }, (_each, index) => (users ? `user-${index}` : undefined));
  const first = await openAll(hub, names.slice(0, warmUpConnections));
  const before = await memoryAtRest(hub);
  const rest = await openAll(hub, names.slice(warmUpConnections));
  const after = await memoryAtRest(hub);
  for (const socket of [...first, ...rest]) socket.destroy();
  const kilobytesEach = (figure: keyof typeof after): number => (after[figure] - before[figure]) / rest.length / 1000;
  return {
    connections: rest.length,
    liveKilobytesPerConnection: kilobytesEach('liveBytes'),
    memoryKilobytesPerConnection: kilobytesEach('proportionalBytes'),
  };
}

async function memoryAtRest(hub: HubWithUsers): Promise<CollectedMemory> {
  await sleep(restSeconds * 1000);
  return collectedMemory(hub.process);
}

/**
 * Revokes some of the connected users, one after the other, and waits for the end of their
 * sessions.
 */
async function revoke(hub: HubWithUsers): Promise<LoadRun> {
  const others = connections - revokedUsers * sessionsEach;
  const rest = await openAll(
    hub,
    Array.from({ length: others }, (_each, index) => `user-${index}`),
  );
  let cpuMilliseconds = 0;
  let endedMillisecondsMax = 0;
  for (let number = 0; number < revokedUsers; number++) {
    const user = `leaves-${number}`;
    const sockets = await openAll(
      hub,
      Array.from({ length: sessionsEach }, () => user),
    );
    const ended = Promise.all(sockets.map((socket) => once(socket, 'close')));
    const cpuBefore = cpuMillisecondsOf(hub.process.pid);
    const start = performance.now();
    const answer = await fetch(`${hub.url}/v1/revocations`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${hub.key}` },
      body: JSON.stringify({ user }),
    });
    if (!answer.ok) throw new Error(`revocation was answered ${answer.status}: ${await answer.text()}`);
    await ended;
    endedMillisecondsMax = Math.max(endedMillisecondsMax, performance.now() - start);
    cpuMilliseconds += cpuMillisecondsOf(hub.process.pid) - cpuBefore;
  }
  const left = rest.filter((socket) => !socket.destroyed).length;
  for (const socket of rest) socket.destroy();
  return {
    connections: others,
    cpuMillisecondsEach: cpuMilliseconds / revokedUsers,
    endedMillisecondsMax,
    closedConnections: others - left,
  };
}

const openedAtOnce = 200;

async function openAll(hub: HubWithUsers, users: readonly (string | undefined)[]): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let start = 0; start < users.length; start += openedAtOnce) {
    const some = users.slice(start, start + openedAtOnce).map(async (user, index) => {
      // One address has too few ports for all connections.
      const localAddress = `127.0.0.${2 + ((start + index) % 8)}`;
      const socket = connect({ port: hub.port, host: '127.0.0.1', localAddress });
      socket.on('error', () => undefined);
      const bearer = user === undefined ? '' : `Authorization: Bearer ${hub.token(user)}\r\n`;
      socket.write(
        `GET /v1/events?channel=bench.0 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n${bearer}\r\n`,
      );
      const [first] = (await once(socket, 'data')) as [Buffer];
      if (!first.toString('latin1', 0, 15).includes(' 200 ')) throw new Error(`refused: ${first.toString()}`);
      socket.resume();
      return socket;
    });
    sockets.push(...(await Promise.all(some)));
  }
  return sockets;
}

const ticksPerSecond = 100;

/** The CPU time that the kernel counted for a process, in all of its threads. */
function cpuMillisecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
}
