// The cost of the session journal: connections are opened with it and without it, on hubs whose
// code is compiled, and then receive events.
import { freshFolder } from '../harness/folders.ts';
import { nothingLost } from '../harness/fanout.ts';
import { type LoadOptions, type LoadRun, runLoad } from '../harness/load.ts';
import { ratioOf, type RunOptions, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { allGone, polycast, startHub } from '../peers/polycast.ts';

const connections = 10_000;
const events = 240;
const eventsPerSecond = 20;
/** All connect and disconnect this often before the measurement. */
const warmRounds = 2;

export const sessionJournal: Scenario = {
  name: 'session-journal',
  title: 'Opening an SSE connection with the session journal',
  run: async (options) => {
    const series = await runInterleaved(
      [
        { name: 'polycast', peer: polycast, run: () => run([], options) },
        { name: 'polycast, no journal', peer: polycast, run: () => run(['sessions.journalEntriesMax=0'], options) },
      ],
      options,
    );
    const ratio = (figure: string): number => ratioOf(series, 'polycast', 'polycast, no journal', figure);
    return {
      settings: { connections, events, eventsPerSecond },
      series,
      bars: [
        {
          title: 'CPU to open a connection, relative to a hub without the journal',
          figure: ratio('openCpuMicrosecondsPerConnection'),
          atMost: 1.02,
          unit: '×',
        },
        {
          title: 'CPU per delivery, relative to a hub without the journal',
          figure: ratio('serverCpuMicrosecondsPerDelivery'),
          atMost: 1.02,
          unit: '×',
        },
        nothingLost(series, 'polycast'),
      ],
      charts: [],
      columns: [
        { title: 'CPU to open, µs each', figure: 'openCpuMicrosecondsPerConnection' },
        { title: 'CPU, µs a delivery', figure: 'serverCpuMicrosecondsPerDelivery' },
      ],
    };
  },
};

async function run(settings: readonly string[], { quick }: RunOptions): Promise<LoadRun> {
  const hub = await startHub(freshFolder('hub'), settings);
  const load: LoadOptions = {
    port: hub.port,
    pids: hub.process.pids().join(','),
    transport: 'sse',
    ...polycast.subscribeOptions('sse'),
    ...polycast.publishOptions(),
    subscribers: quick ? 2000 : connections,
  };
  try {
    for (let round = 0; round < warmRounds; round++) {
      await runLoad('fanout', { ...load, events: 0, settleSeconds: 1 });
      await allGone(hub);
    }
    return await runLoad('fanout', {
      ...load,
      rate: eventsPerSecond,
      warmUpEvents: eventsPerSecond,
      events,
      eventBytes: 128,
    });
  } finally {
    await hub.process.stop();
  }
}
