// 10,000 SSE clients reconnect at the same time, each 50 events behind. Measured is the time until
// all have received them.
import { freshFolder } from '../harness/folders.ts';
import { nothingLost } from '../harness/fanout.ts';
import { type LoadOptions, type LoadRun, runLoad } from '../harness/load.ts';
import { type Contender, metricOf, ratioOf, runInterleaved, type Scenario, withServer } from '../harness/scenario.ts';
import { nchan } from '../peers/nchan.ts';
import type { RunningServer } from '../peers/peer.ts';
import { markedEvent, polycast, publishToHub, type RunningHub, readMetric, startHub } from '../peers/polycast.ts';

const clients = 10_000;
const eventsBehind = 50;
const logReadsMax = 10;
const logReadsMetric = 'polycast_log_reads_total';

export const reconnectStorm: Scenario = {
  name: 'reconnect-storm',
  title: '10,000 SSE clients reconnect, 50 events behind',
  run: async (options) => {
    const contenders: Contender[] = [
      { name: 'polycast', peer: polycast, run: () => stormOnHub(false) },
      { name: 'polycast, restarted', peer: polycast, run: () => stormOnHub(true) },
      { name: 'nchan', peer: nchan, run: stormOnNchan },
    ];
    const series = await runInterleaved(contenders, options);
    return {
      settings: { clients, eventsBehind },
      series,
      bars: [
        {
          title: 'reads of the log in one storm',
          figure: metricOf(series, 'polycast', 'logReads'),
          atMost: logReadsMax,
          unit: '',
        },
        {
          title: 'the same, after a restart',
          figure: metricOf(series, 'polycast, restarted', 'logReads'),
          atMost: logReadsMax,
          unit: '',
        },
        // The table compares the time with nchan's, and sets no limit.
        {
          title: 'time until all have caught up, relative to nchan',
          figure: ratioOf(series, 'polycast', 'nchan', 'seconds'),
          unit: '×',
        },
        nothingLost(series, 'polycast'),
        nothingLost(series, 'polycast, restarted'),
      ],
      charts: [{ title: 'Until 10,000 clients have all they missed', figure: 'seconds', unit: 's', better: 'less' }],
      columns: [
        { title: 'until all have all, s', figure: 'seconds' },
        { title: 'one client, p50 µs', figure: 'catchUpP50Microseconds' },
        { title: 'one client, p99 µs', figure: 'catchUpP99Microseconds' },
        { title: 'CPU, µs a client', figure: 'serverCpuMicrosecondsPerConnection' },
        { title: 'reads of the log', figure: 'logReads' },
        { title: 'missing', figure: 'missingDeliveries' },
      ],
    };
  },
};

/**
 * After a restart the hub's memory of recent events is empty, as in the storm after a deployment.
 */
async function stormOnHub(restart: boolean): Promise<LoadRun> {
  const dataFolder = freshFolder('hub');
  let hub: RunningHub = await startHub(dataFolder);
  try {
    const [cursor = ''] = await publishToHub(hub, 'bench.0', eventsBehind + 1);
    if (restart) {
      await hub.process.stop();
      hub = await startHub(dataFolder);
    }
    const readsBefore = await readMetric(hub, logReadsMetric);
    const run = await storm(hub, { subscribePath: `/v1/events?channel=bench.0&after=${cursor}` });
    return { ...run, logReads: (await readMetric(hub, logReadsMetric)) - readsBefore };
  } finally {
    await hub.process.stop();
  }
}

function stormOnNchan(): Promise<LoadRun> {
  return withServer(nchan, async (server) => {
    const url = `http://127.0.0.1:${server.port}`;
    for (let number = 0; number <= eventsBehind; number++) {
      await (await fetch(`${url}/publish/0`, { method: 'POST', body: markedEvent(number) })).arrayBuffer();
    }
    const firstId = await firstEventId(`${url}/sse-all/0`);
    return storm(server, { subscribePath: '/sse/0', subscribeHeader: `Last-Event-ID: ${firstId}` });
  });
}

function storm(server: RunningServer, load: LoadOptions): Promise<LoadRun> {
  return runLoad('storm', {
    port: server.port,
    pids: server.process.pids().join(','),
    subscribers: clients,
    behind: eventsBehind,
    ...load,
  });
}

async function firstEventId(url: string): Promise<string> {
  const answer = await fetch(url, { headers: { accept: 'text/event-stream' } });
  let text = '';
  const decoder = new TextDecoder();
  for await (const piece of answer.body ?? []) {
    text += decoder.decode(piece as Uint8Array, { stream: true });
    const found = /^id: ?(.+)$/m.exec(text)?.[1];
    // Leaving the loop closes the connection.
    if (found !== undefined && text.includes('\n\n')) return found.trim();
  }
  throw new Error('the server sent no event with an id');
}
