// 15,000 waiting connections: the memory of each one, and the CPU to open it. A server rests before
// the first connection and after the last one, so that it can return the memory of what it did.
import { freshFolder } from '../harness/folders.ts';
import { runFanout } from '../harness/fanout.ts';
import { type Contender, metricOf, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { centrifugo } from '../peers/centrifugo.ts';
import { mercure } from '../peers/mercure.ts';
import { nchan } from '../peers/nchan.ts';
import { nodeHttp } from '../peers/node-http.ts';
import type { Peer, Transport } from '../peers/peer.ts';
import { polycast, startHub } from '../peers/polycast.ts';
import { socketIo } from '../peers/socket-io.ts';
import { wsFanout } from '../peers/ws-fanout.ts';

const connections = 15_000;
const restSeconds = 20;
const settleSeconds = 5;
const idleSeconds = 5;
const kilobytesMax = 6;

/** The other servers send no heartbeat meanwhile, so the hub's are due later. */
const quietHub: Peer = { ...polycast, start: () => startHub(freshFolder('hub'), ['delivery.heartbeatMs=60000']) };

const entries: readonly (readonly [Peer, Transport, string])[] = [
  [polycast, 'sse', 'polycast, SSE'],
  [polycast, 'websocket', 'polycast, WebSocket'],
  [nchan, 'sse', 'nchan, SSE'],
  [nchan, 'websocket', 'nchan, WebSocket'],
  [nodeHttp, 'sse', 'node:http, SSE'],
  [wsFanout, 'websocket', 'ws, WebSocket'],
  [socketIo, 'websocket', 'socket.io, WebSocket'],
  [centrifugo, 'websocket', 'centrifugo, WebSocket'],
  [mercure, 'sse', 'mercure, SSE'],
];

export const idleConnections: Scenario = {
  name: 'idle-connections',
  title: '15,000 idle connections',
  run: async (options) => {
    const load = { subscribers: connections, events: 0, restSeconds, settleSeconds, idleSeconds };
    const contenders: Contender[] = entries.map(([peer, transport, name]) => ({
      name,
      peer,
      run: () => runFanout(peer === polycast ? quietHub : peer, transport, load),
    }));
    const series = await runInterleaved(contenders, options);
    const figure = 'idleMemoryKilobytesPerConnection';
    const opened = 'memoryKilobytesPerConnection';
    return {
      settings: { connections, restSeconds, settleSeconds, idleSeconds },
      series,
      bars: ['polycast, SSE', 'polycast, WebSocket'].flatMap((name) => [
        {
          title: `${name}: memory of a connection`,
          figure: metricOf(series, name, figure),
          atMost: kilobytesMax,
          unit: 'kB',
        },
        {
          title: `${name}: lost connections`,
          figure: metricOf(series, name, 'closedConnections'),
          atMost: 0,
          unit: '',
        },
      ]),
      charts: [{ title: 'Memory of an idle connection', figure, unit: 'kB', better: 'less' }],
      columns: [
        { title: 'memory, kB each', figure },
        { title: `after ${settleSeconds} s, kB each`, figure: opened },
        { title: 'CPU to open, µs each', figure: 'openCpuMicrosecondsPerConnection' },
        { title: 'CPU while idle, %', figure: 'idleCpuPercent' },
        { title: 'closed', figure: 'closedConnections' },
      ],
    };
  },
};
