// Plain requests over 64 keep-alive connections, one at a time on each: publishes, and short polls
// without new events.
import { type LoadOptions, runLoad } from '../harness/load.ts';
import {
  type Contender,
  metricOf,
  type Outcome,
  ratioOf,
  type RunOptions,
  runInterleaved,
  type Scenario,
  withServer,
} from '../harness/scenario.ts';
import { nchan } from '../peers/nchan.ts';
import { nodeHttp, nodeHttpEntityTag } from '../peers/node-http.ts';
import { freshFolder } from '../harness/folders.ts';
import type { Peer, RunningServer } from '../peers/peer.ts';
import { polycast, publishToHub, startHub } from '../peers/polycast.ts';

const connections = 64;
const eventBytes = 128;

function requestOptions(server: RunningServer, options: RunOptions): LoadOptions {
  return {
    port: server.port,
    pids: server.process.pids().join(','),
    connections,
    seconds: options.quick ? 2 : 8,
    warmUpSeconds: options.quick ? 1 : 3,
  };
}

function publishContender(peer: Peer, path: string, status: number, options: RunOptions): Contender {
  const load = { method: 'POST', path, header: 'Content-Type: application/json', eventBytes, expectStatus: status };
  return {
    name: peer.name,
    peer,
    run: () => withServer(peer, (server) => runLoad('requests', { ...requestOptions(server, options), ...load })),
  };
}

export const publishes: Scenario = {
  name: 'publishes',
  title: 'Single publishes, each durable before its answer',
  run: async (options) => {
    const series = await runInterleaved(
      [
        publishContender(polycast, '/v1/channels/bench.0/events', 201, options),
        publishContender(nodeHttp, '/publish/0', 201, options),
        // nchan answers 202 where no client listens; it stores the event in memory only.
        publishContender(nchan, '/publish/0', 202, options),
      ],
      options,
    );
    return requestsOutcome(series, 'publishes/s, relative to a bare node:http handler', 0.5, 'Publishes a second');
  },
};

/** Requests once, and repeats the request with the ETag of the answer. */
async function pollHub(options: RunOptions): Promise<Record<string, number>> {
  const hub = await startHub(freshFolder('hub'));
  try {
    const [cursor = ''] = await publishToHub(hub, 'bench.0', 1);
    const path = `/v1/events?channel=bench.0&after=${cursor}`;
    const answer = await fetch(hub.url + path, { headers: { accept: 'application/json' } });
    await answer.arrayBuffer();
    return await runLoad('requests', {
      ...requestOptions(hub, options),
      path,
      header: ['Accept: application/json', `If-None-Match: ${answer.headers.get('etag') ?? ''}`],
      expectStatus: 304,
    });
  } finally {
    await hub.process.stop();
  }
}

export const shortPolls: Scenario = {
  name: 'short-polls',
  title: 'Short polls that are answered 304',
  run: async (options) => {
    // The hub's request, byte for byte.
    const path = '/v1/events?channel=bench.0&after=0000000000-00000000042';
    const load = { path, header: ['Accept: application/json', `If-None-Match: ${nodeHttpEntityTag}`] };
    const series = await runInterleaved(
      [
        { name: 'polycast', peer: polycast, run: () => pollHub(options) },
        {
          name: 'node:http',
          peer: nodeHttp,
          run: () =>
            withServer(nodeHttp, (server) =>
              runLoad('requests', { ...requestOptions(server, options), ...load, expectStatus: 304 }),
            ),
        },
      ],
      options,
    );
    return requestsOutcome(series, '304 polls/s, relative to bare node:http', 1, 'Answers of 304 a second');
  },
};

function requestsOutcome(series: Outcome['series'], title: string, atLeast: number, chartTitle: string): Outcome {
  return {
    settings: { connections, eventBytes },
    series,
    bars: [
      { title, figure: ratioOf(series, 'polycast', 'node:http', 'requestsPerSecond'), atLeast, unit: '×' },
      {
        title: 'answers of another status',
        figure: metricOf(series, 'polycast', 'unexpectedAnswers'),
        atMost: 0,
        unit: '',
      },
    ],
    charts: [{ title: chartTitle, figure: 'requestsPerSecond', unit: '/s', better: 'more' }],
    columns: [
      { title: 'requests/s', figure: 'requestsPerSecond' },
      { title: 'CPU, µs a request', figure: 'serverCpuMicrosecondsPerRequest' },
      { title: 'p50, µs', figure: 'latencyP50Microseconds' },
      { title: 'p99, µs', figure: 'latencyP99Microseconds' },
      { title: 'other answers', figure: 'unexpectedAnswers' },
    ],
  };
}
