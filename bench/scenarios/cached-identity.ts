// Opens a stream as a user whom the site has identified before, and as an anonymous client: on the
// same hub, by the same rules.
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { freshFolder } from '../harness/folders.ts';
import { type LoadOptions, type LoadRun, runLoad } from '../harness/load.ts';
import { metricOf, ratioOf, type RunOptions, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { allGone, polycast, type RunningHub, startHub } from '../peers/polycast.ts';

const cookies = 2000;
/** All users connect and disconnect this often, after the first time, before the measurement. */
const warmRounds = 1;
const rules = '[{pattern: "bench.*", subscribe: anyone}]';

/** Identifies every visitor by cookie, and counts its requests. */
function openSite(): Promise<{ readonly server: Server; readonly url: string; readonly asked: () => number }> {
  let requestCount = 0;
  const server = createServer(async (request, response) => {
    requestCount++;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as { cookies: { session: string } };
    response.end(JSON.stringify({ user: body.cookies.session, ttlSeconds: 3600 }));
  });
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () =>
      resolve({
        server,
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
        asked: () => requestCount,
      }),
    ),
  );
}

function sessionOf(index: number): string {
  return `${String(index).padStart(5, '0')}${'x'.repeat(27)}`;
}

/** Every user connects once, so that the site has identified them. */
async function warm(hub: RunningHub): Promise<void> {
  for (let first = 0; first < cookies; first += 100) {
    const some = Array.from({ length: 100 }, async (_, index) => {
      const headers = { cookie: `session=${sessionOf(first + index)}` };
      const answer = await fetch(`${hub.url}/v1/events?channel=bench.0`, { headers });
      await answer.arrayBuffer();
      if (answer.status !== 200) throw new Error(`a user was answered ${answer.status}`);
    });
    await Promise.all(some);
  }
}

async function run(isIdentified: boolean, options: RunOptions): Promise<LoadRun> {
  const site = await openSite();
  const folder = freshFolder('hub');
  const texts = join(folder, 'sessions.txt');
  writeFileSync(texts, Array.from({ length: cookies }, (_, index) => `${sessionOf(index)}\n`).join(''));
  const settings = [
    'access=rules',
    `rules=${rules}`,
    `identity.site.loginUrl=${site.url}`,
    'identity.site.cookies=session',
  ];
  const hub = await startHub(join(folder, 'data'), settings);
  try {
    await warm(hub);
    const identity: LoadOptions = isIdentified
      ? { subscriberTexts: texts, subscribeHeader: 'Cookie: session={t}' }
      : {};
    const load: LoadOptions = {
      port: hub.port,
      pids: hub.process.pids().join(','),
      transport: 'sse',
      subscribePath: '/v1/events?channel=bench.{c}',
      subscribers: connections(options),
      events: 0,
      ...identity,
    };
    // Memory is measured with the first set of connections; time is measured after the hub's code
    // is compiled.
    const settling = options.quick ? 1 : 5;
    const first = await runLoad('fanout', { ...load, settleSeconds: settling, idleSeconds: settling });
    for (let round = 0; round < warmRounds; round++) {
      await allGone(hub);
      await runLoad('fanout', { ...load, settleSeconds: 0 });
    }
    await allGone(hub);
    const { openCpuMicrosecondsPerConnection = Number.NaN } = await runLoad('fanout', { ...load, settleSeconds: 1 });
    const metrics = {
      ...first,
      openCpuMicrosecondsPerConnection,
      coldCpuMicrosecondsPerConnection: first['openCpuMicrosecondsPerConnection'] ?? Number.NaN,
    };
    return { ...metrics, siteCalls: site.asked() };
  } finally {
    await hub.process.stop();
    site.server.close();
    site.server.closeAllConnections();
  }
}

function connections({ quick }: RunOptions): number {
  return quick ? 8000 : 15_000;
}

export const cachedIdentity: Scenario = {
  name: 'cached-identity',
  title: 'Opening a stream as a user whose login is cached',
  run: async (options) => {
    const series = await runInterleaved(
      [
        { name: 'polycast, anonymous', peer: polycast, run: () => run(false, options) },
        { name: 'polycast, user', peer: polycast, run: () => run(true, options) },
      ],
      options,
    );
    const memory = 'memoryKilobytesPerConnection';
    return {
      settings: { connections: connections(options), cookies },
      series,
      bars: [
        {
          title: 'CPU to open as a user, relative to an anonymous client',
          figure: ratioOf(series, 'polycast, user', 'polycast, anonymous', 'openCpuMicrosecondsPerConnection'),
          atMost: 1.15,
          unit: '×',
        },
        {
          title: 'memory of a user, beyond that of an anonymous client',
          figure: metricOf(series, 'polycast, user', memory) - metricOf(series, 'polycast, anonymous', memory),
          atMost: 0.7,
          unit: 'kB',
        },
        {
          title: 'calls to the site',
          figure: metricOf(series, 'polycast, user', 'siteCalls'),
          atMost: cookies,
          unit: '',
        },
      ],
      charts: [
        { title: 'CPU to open a stream', figure: 'openCpuMicrosecondsPerConnection', unit: 'µs', better: 'less' },
      ],
      columns: [
        { title: 'CPU to open, µs each', figure: 'openCpuMicrosecondsPerConnection' },
        { title: 'the first time', figure: 'coldCpuMicrosecondsPerConnection' },
        { title: 'memory, kB each', figure: memory },
        { title: 'calls to the site', figure: 'siteCalls' },
      ],
    };
  },
};
