// The cost of the session journal: connections are opened with it and without it, on hubs whose
// code is compiled, and then receive events.
import { join } from 'node:path';
import { nothingLost } from '../harness/fanout.ts';
import { type LoadOptions, type LoadRun, runLoad } from '../harness/load.ts';
import { ratioOf, type RunOptions, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { issuerOf, material } from '../harness/signed-tokens.ts';
import { allGone, polycast, startHub } from '../peers/polycast.ts';

const connections = 10_000;
const events = 240;
const eventsPerSecond = 20;
/** All connect and disconnect this often before the measurement. */
const warmRounds = 2;
const openRules = '[{pattern: "bench.*", subscribe: anyone, publish: anyone}]';

/**
 * A session of a user with a token that the hub has never seen, and the least a session can cost.
 */
type Comers = 'users' | 'anonymous';

export const sessionJournal: Scenario = {
  name: 'session-journal',
  title: 'Opening an SSE connection with the session journal',
  run: async (options) => {
    const series = await runInterleaved(
      (['users', 'anonymous'] as const).flatMap((comers) => [
        { name: comers, peer: polycast, run: () => run(comers, [], options) },
        {
          name: `${comers}, no journal`,
          peer: polycast,
          run: () => run(comers, ['sessions.journalEntriesMax=0'], options),
        },
      ]),
      options,
    );
    const ratio = (comers: Comers, figure: string): number => ratioOf(series, comers, `${comers}, no journal`, figure);
    return {
      settings: { connections, events, eventsPerSecond },
      series,
      bars: [
        {
          title: 'CPU to open the session of a user, relative to a hub without the journal',
          figure: ratio('users', 'openCpuMicrosecondsPerConnection'),
          atMost: 1.02,
          unit: '×',
        },
        {
          title: 'CPU to open an anonymous session, relative to a hub without the journal',
          figure: ratio('anonymous', 'openCpuMicrosecondsPerConnection'),
          unit: '×',
        },
        {
          title: 'CPU per delivery, relative to a hub without the journal',
          figure: ratio('anonymous', 'serverCpuMicrosecondsPerDelivery'),
          atMost: 1.02,
          unit: '×',
        },
        nothingLost(series, 'users'),
        nothingLost(series, 'anonymous'),
      ],
      charts: [],
      columns: [
        { title: 'CPU to open, µs each', figure: 'openCpuMicrosecondsPerConnection' },
        { title: 'CPU, µs a delivery', figure: 'serverCpuMicrosecondsPerDelivery' },
      ],
    };
  },
};

async function run(comers: Comers, settings: readonly string[], { quick }: RunOptions): Promise<LoadRun> {
  const subscribers = quick ? 2000 : connections;
  const made = material(comers === 'users' ? subscribers : 1);
  const rules = comers === 'users' ? ['access=rules', `rules=${openRules}`, issuerOf(made)] : [];
  const hub = await startHub(join(made.folder, 'data'), [...rules, ...settings]);
  const open = (tokens: string): LoadOptions => ({
    port: hub.port,
    pids: hub.process.pids().join(','),
    transport: 'sse',
    ...polycast.subscribeOptions('sse'),
    ...polycast.publishOptions(),
    subscribers,
    ...(comers === 'users' && { subscriberTexts: tokens, subscribeHeader: 'Authorization: Bearer {t}' }),
  });
  try {
    for (let round = 0; round < warmRounds; round++) {
      await runLoad('fanout', { ...open(made.others), events: 0, settleSeconds: 1 });
      await allGone(hub);
    }
    return await runLoad('fanout', {
      ...open(made.tokens),
      rate: eventsPerSecond,
      warmUpEvents: eventsPerSecond,
      events,
      eventBytes: 128,
    });
  } finally {
    await hub.process.stop();
  }
}
