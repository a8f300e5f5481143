// Each connection has a token of its own, signed with ES256, that the hub has never seen. It is
// compared with the verification alone, on the same core. Then the same tokens connect again.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { benchFolder } from '../harness/folders.ts';
import { type LoadOptions, type LoadRun, runLoad } from '../harness/load.ts';
import { serverCore, startPinned } from '../harness/processes.ts';
import { metricOf, ratioOf, type RunOptions, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { issuerOf, lifetimeSeconds, material, type Material } from '../harness/signed-tokens.ts';
import { nodeHttp } from '../peers/node-http.ts';
import { startNodeServer } from '../peers/node-server.ts';
import type { RunningServer } from '../peers/peer.ts';
import { allGone, polycast, startHub } from '../peers/polycast.ts';

const rules = '[{pattern: "bench.*", subscribe: anyone}]';

type Comers = 'nobody known' | 'new tokens' | 'known tokens';

async function open(comers: Comers, options: RunOptions): Promise<LoadRun> {
  const made = material(connections(options));
  const hub = await startHub(join(made.folder, 'data'), ['access=rules', `rules=${rules}`, issuerOf(made)]);
  return measure(hub, () => allGone(hub), comers, made, options);
}

/** The same load on a server that only verifies. */
async function openBare(kind: 'net' | 'http', comers: Comers, options: RunOptions): Promise<LoadRun> {
  const made = material(connections(options));
  const keys = comers === 'new tokens' ? [made.key] : [];
  const server = await startNodeServer('bare-streams.ts', kind, ...keys);
  return measure(server, () => sleep(bareGoneMs), comers, made, options);
}

/** Long enough for a server to notice that all its connections are closed. */
const bareGoneMs = 1000;

async function measure(
  server: RunningServer,
  gone: () => Promise<unknown>,
  comers: Comers,
  { tokens, others }: Material,
  options: RunOptions,
): Promise<LoadRun> {
  const load = async (more: LoadOptions): Promise<LoadRun> => {
    const run = await runLoad('fanout', {
      port: server.port,
      pids: server.process.pids().join(','),
      transport: 'sse',
      subscribePath: '/v1/events?channel=bench.{c}',
      subscribers: connections(options),
      events: 0,
      settleSeconds: 1,
      ...more,
    });
    await gone();
    return run;
  };
  const bearer = (texts: string): LoadOptions =>
    comers === 'nobody known' ? {} : { subscriberTexts: texts, subscribeHeader: 'Authorization: Bearer {t}' };
  try {
    // A server that has run for a while has compiled its code and allocated its memory.
    await load(bearer(others));
    if (comers === 'known tokens') await load(bearer(tokens));
    const run = await load(bearer(tokens));
    return { ...run, perSecond: 1e6 / (run['openCpuMicrosecondsPerConnection'] ?? Number.NaN) };
  } finally {
    await server.process.stop();
  }
}

async function verifyAlone(options: RunOptions): Promise<LoadRun> {
  const { tokens, key } = material(2000);
  const program = join(benchFolder, 'peers/servers/verify-tokens.ts');
  const verifying = startPinned([process.execPath, program, tokens, key, options.quick ? '2' : '5'], {
    core: serverCore,
  });
  let printed = '';
  verifying.child.stdout?.on('data', (bytes: Buffer) => (printed += bytes.toString()));
  await new Promise((resolve) => verifying.child.once('close', resolve));
  const { cpuMicrosecondsEach } = JSON.parse(printed) as { cpuMicrosecondsEach: number };
  return { perSecond: 1e6 / cpuMicrosecondsEach, openCpuMicrosecondsPerConnection: cpuMicrosecondsEach };
}

function connections({ quick }: RunOptions): number {
  return quick ? 5000 : 15_000;
}

export const jwtConnections: Scenario = {
  name: 'jwt-connections',
  title: 'Connections with a signed token (ES256) each',
  run: async (options) => {
    const series = await runInterleaved(
      [
        { name: 'ES256 alone', peer: polycast, run: () => verifyAlone(options) },
        { name: 'polycast, new tokens', peer: polycast, run: () => open('new tokens', options) },
        { name: 'polycast, known tokens', peer: polycast, run: () => open('known tokens', options) },
        { name: 'polycast, anonymous', peer: polycast, run: () => open('nobody known', options) },
        { name: 'node:http alone', peer: nodeHttp, run: () => openBare('http', 'nobody known', options) },
        { name: 'node:http and ES256', peer: nodeHttp, run: () => openBare('http', 'new tokens', options) },
        { name: 'node:net alone', peer: nodeHttp, run: () => openBare('net', 'nobody known', options) },
        { name: 'node:net and ES256', peer: nodeHttp, run: () => openBare('net', 'new tokens', options) },
      ],
      options,
    );
    const cpu = 'openCpuMicrosecondsPerConnection';
    return {
      settings: { connections: connections(options), lifetimeSeconds },
      series,
      bars: [
        {
          title: 'connections/s with a new token, relative to verifications/s alone',
          figure: ratioOf(series, 'polycast, new tokens', 'ES256 alone', 'perSecond'),
          atLeast: 0.7,
          unit: '×',
        },
        {
          title: 'CPU to open with a cached token, relative to an anonymous client',
          figure: ratioOf(series, 'polycast, known tokens', 'polycast, anonymous', cpu),
          atMost: 1.15,
          unit: '×',
        },
        // The connection limits the first result; this measures a connection on a server that does
        // nothing else.
        {
          title: 'the same of a server on node:http that opens and verifies, and does nothing else',
          figure: ratioOf(series, 'node:http and ES256', 'ES256 alone', 'perSecond'),
          unit: '×',
        },
        {
          title: 'the same of a server on node:net that reads no HTTP either',
          figure: ratioOf(series, 'node:net and ES256', 'ES256 alone', 'perSecond'),
          unit: '×',
        },
        {
          title: 'CPU to open as an anonymous client, relative to a server on node:http that does nothing else',
          figure: ratioOf(series, 'polycast, anonymous', 'node:http alone', cpu),
          unit: '×',
        },
        {
          title: 'connections/s with a new token, relative to the sum of an anonymous opening and a verification',
          figure:
            (metricOf(series, 'polycast, anonymous', cpu) + metricOf(series, 'ES256 alone', cpu)) /
            metricOf(series, 'polycast, new tokens', cpu),
          unit: '×',
        },
      ],
      charts: [{ title: 'A second of one core', figure: 'perSecond', unit: '/s', better: 'more' }],
      columns: [
        { title: 'a second of the core', figure: 'perSecond' },
        { title: 'CPU, µs each', figure: cpu },
        { title: 'memory, kB each', figure: 'memoryKilobytesPerConnection' },
      ],
    };
  },
};
