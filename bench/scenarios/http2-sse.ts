// The burst over HTTP/2: 2,500 event streams that share 250 connections, with TLS. For comparison,
// the burst over HTTP/1.1 without TLS, with the usual load generator.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { benchFolder, freshFolder } from '../harness/folders.ts';
import { nothingLost, runFanout } from '../harness/fanout.ts';
import type { LoadRun } from '../harness/load.ts';
import { loadCore, startPinned } from '../harness/processes.ts';
import { ratioOf, runInterleaved, type Contender, type Scenario } from '../harness/scenario.ts';
import { polycast, startHub } from '../peers/polycast.ts';

const connections = 250;
const streamsEach = 10;
const events = 240;
const publishers = 64;
const eventBytes = 128;
const warmUpEvents = 120;
const timeoutMs = 120_000;

async function overHttp2(): Promise<LoadRun> {
  const folder = freshFolder('http2');
  const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', ...kind, '-subj', '/CN=localhost', '-keyout', key, '-out', certificate], {
    stdio: 'ignore',
  });
  const hub = await startHub(join(folder, 'data'), [`tls.certificateFile=${certificate}`, `tls.keyFile=${key}`]);
  const load = { connections, streamsEach, events, warmUpEvents, publishers, eventBytes };
  const options = { port: hub.port, pid: hub.process.pid, protocol: 'h2', ...load };
  try {
    return JSON.parse(await outputOfLoad(JSON.stringify(options))) as LoadRun;
  } finally {
    await hub.process.stop();
  }
}

async function outputOfLoad(options: string): Promise<string> {
  const load = startPinned([process.execPath, join(benchFolder, 'http2/load.ts'), options], { core: loadCore });
  let printed = '';
  load.child.stdout?.on('data', (bytes: Buffer) => (printed += bytes.toString()));
  const timeout = setTimeout(() => load.child.kill('SIGKILL'), timeoutMs);
  const exitCode = await new Promise<number | null>((resolve) => load.child.once('close', resolve));
  clearTimeout(timeout);
  if (exitCode !== 0) throw new Error(`the load failed: ${load.output()}`);
  return printed;
}

export const http2Sse: Scenario = {
  name: 'http2-sse',
  title: 'Burst of 240 events to 2,500 event streams on 250 connections of HTTP/2',
  run: async (options) => {
    const readers = connections * streamsEach;
    const http2: Contender = { name: 'HTTP/2, TLS', peer: polycast, run: overHttp2 };
    const http1: Contender = {
      name: 'HTTP/1.1',
      peer: polycast,
      run: () => runFanout(polycast, 'sse', { subscribers: readers, events, publishers, eventBytes, warmUpEvents }),
    };
    const series = await runInterleaved([http2, http1], options);
    return {
      settings: { connections, streamsEach, events, publishers, eventBytes, warmUpEvents },
      series,
      bars: [
        {
          title: 'deliveries/s, relative to HTTP/1.1 without TLS',
          figure: ratioOf(series, http2.name, http1.name, 'deliveriesPerSecond'),
          atLeast: 0.5,
          unit: '×',
        },
        {
          title: 'server CPU per delivery, relative to HTTP/1.1 without TLS',
          figure: ratioOf(series, http2.name, http1.name, 'serverCpuMicrosecondsPerDelivery'),
          unit: '×',
        },
        nothingLost(series, http2.name),
      ],
      charts: [{ title: 'Burst: deliveries a second', figure: 'deliveriesPerSecond', unit: '/s', better: 'more' }],
      columns: [
        { title: 'deliveries/s', figure: 'deliveriesPerSecond' },
        { title: 'CPU, µs a delivery', figure: 'serverCpuMicrosecondsPerDelivery' },
        { title: 'kB a stream', figure: 'memoryKilobytesPerStream' },
        { title: 'missing', figure: 'missingDeliveries' },
      ],
    };
  },
};
