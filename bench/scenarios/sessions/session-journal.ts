// The cost of the session journal: its share of a hub's CPU time while connections are opened, and
// while they receive events. Two hubs, one without it, differ by far more from run to run. The
// share is a lower bound: it has neither other threads nor the garbage collector.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CpuProfile, nowMicroseconds, profiledInto, type Window } from '../../harness/cpu-profile.ts';
import { nothingLost } from '../../harness/fanout.ts';
import { type LoadOptions, type LoadRun, runLoad } from '../../harness/load.ts';
import { serverCore } from '../../harness/processes.ts';
import { metricOf, type RunOptions, runInterleaved, type Scenario } from '../../harness/scenario.ts';
import { issuerOf, material, writeTokens } from '../../harness/signed-tokens.ts';
import { allGone, polycast, startHub } from '../../peers/polycast.ts';

const connections = 4000;
const events = 240;
const eventsPerSecond = 20;
/**
 * All connect and disconnect this often before the measurement, so that the code is compiled. V8
 * compiles the last of the journal's functions after some 36,000 sessions.
 */
const warmTurns = 10;
/** In the first of them V8 interprets everything. They are no part of any figure. */
const coldTurns = 2;
/** The journal has written all openings, or all ends, within this time. */
const WRITTEN_SECONDS = 2.5;
/** The load ends, and so do its connections, within this time before its figures are there. */
const CLOSING_MICROSECONDS = 500_000;
const openRules = '[{pattern: "bench.*", subscribe: anyone, publish: anyone}]';
/** A hub that public addresses reach limits their connections, so it asks each for its address. */
const ASKS_FOR_ADDRESSES = 'limits.socketsPerAddressMax=1000000';
const JOURNAL_FILES =
  /\/packages\/server\/src\/(?:sessions|core\/session-journal|storage\/sqlite\/sessions)\/[\w-]+\.ts$/;

/**
 * A session of a user with a token that the hub has never seen, and the least a session can cost.
 */
type Comers = 'users' | 'anonymous';

/** Of the journal, relative to all other CPU time: at the opening, in a whole session, later. */
const openPercent = 'openPercent';
/** At the opening, while V8 compiles. */
const earlyPercent = 'earlyPercent';
const lifePercent = 'lifePercent';
const deliveryPercent = 'deliveryPercent';

export const sessionJournal: Scenario = {
  name: 'session-journal',
  title: 'Opening an SSE connection with the session journal',
  run: async (options) => {
    const series = await runInterleaved(
      (['users', 'anonymous'] as const).map((comers) => ({
        name: comers,
        peer: polycast,
        run: () => run(comers, options),
      })),
      options,
    );
    return {
      settings: { connections, turns: turns(options), events, eventsPerSecond },
      series,
      bars: [
        {
          title: 'event loop: the journal at the opening of a user, relative to all else',
          figure: metricOf(series, 'users', openPercent),
          atMost: 2,
          unit: '%',
        },
        {
          title: 'event loop: the journal at an anonymous opening, relative to all else',
          figure: metricOf(series, 'anonymous', openPercent),
          atMost: 2,
          unit: '%',
        },
        {
          title: 'the same, in the first turns, while V8 compiles',
          figure: metricOf(series, 'anonymous', earlyPercent),
          unit: '%',
        },
        {
          title: 'event loop: the journal during deliveries, relative to all else',
          figure: metricOf(series, 'anonymous', deliveryPercent),
          atMost: 0.1,
          unit: '%',
        },
        nothingLost(series, 'anonymous'),
      ],
      charts: [],
      columns: [
        { title: 'CPU to open, µs each, under the profiler', figure: 'openCpuMicrosecondsPerConnection' },
        { title: 'the journal, %', figure: openPercent },
        { title: 'while V8 compiles, %', figure: earlyPercent },
        { title: 'from the opening to the end, %', figure: lifePercent },
        { title: 'during deliveries, %', figure: deliveryPercent },
      ],
    };
  },
};

function turns({ quick }: RunOptions): number {
  return quick ? 2 : 8;
}

async function run(comers: Comers, options: RunOptions): Promise<LoadRun> {
  const made = material(1);
  const rules = comers === 'users' ? ['access=rules', `rules=${openRules}`, issuerOf(made)] : [];
  const profileFolder = join(made.folder, 'profile');
  mkdirSync(profileFolder);
  const settings = [...rules, ASKS_FOR_ADDRESSES];
  const hub = await startHub(join(made.folder, 'data'), settings, serverCore, profiledInto(profileFolder));
  let opened: LoadRun = {};
  let published: LoadRun = {};
  const openings: Window[] = [];
  const earlyOpenings: Window[] = [];
  const lives: Window[] = [];
  let deliveries: Window | undefined;
  const open = (turn: string, load: LoadOptions): Promise<LoadRun> =>
    runLoad('fanout', {
      port: hub.port,
      pids: hub.process.pids().join(','),
      transport: 'sse',
      ...polycast.subscribeOptions('sse'),
      ...polycast.publishOptions(),
      subscribers: connections,
      settleSeconds: WRITTEN_SECONDS,
      ...(comers === 'users' && {
        subscriberTexts: writeTokens(made, turn, connections),
        subscribeHeader: 'Authorization: Bearer {t}',
      }),
      ...load,
    });
  try {
    for (let turn = -warmTurns; turn < turns(options); turn++) {
      const from = nowMicroseconds();
      opened = await open(`turn-${turn}`, { events: 0 });
      const until = nowMicroseconds() - CLOSING_MICROSECONDS;
      await allGone(hub);
      await sleep(WRITTEN_SECONDS * 1000);
      if (turn >= coldTurns - warmTurns && turn < 0) earlyOpenings.push([from, until]);
      if (turn < 0) continue;
      openings.push([from, until]);
      lives.push([from, nowMicroseconds()]);
    }
    if (comers === 'anonymous') {
      published = await open('readers', { rate: eventsPerSecond, warmUpEvents: 2, events, eventBytes: 128 });
      deliveries = deliveriesOf(published, nowMicroseconds());
    }
  } finally {
    await hub.process.stop();
  }
  const profile = new CpuProfile(profileFolder);
  const percent = (windows: readonly Window[]): number => profile.percentOf((url) => JOURNAL_FILES.test(url), windows);
  return {
    ...opened,
    ...published,
    [openPercent]: percent(openings),
    [earlyPercent]: percent(earlyOpenings),
    [lifePercent]: percent(lives),
    ...(deliveries !== undefined && { [deliveryPercent]: percent([deliveries]) }),
  };
}

/** The time in which events were published. */
function deliveriesOf({ seconds = 0 }: LoadRun, endMicroseconds: number): Window {
  const until = endMicroseconds - CLOSING_MICROSECONDS;
  return [until - (seconds - 1) * 1e6, until];
}
