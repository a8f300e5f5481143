// One request whose body streams events, compared with SQLite's own bulk insert of the same rows.
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder, benchFolder } from '../harness/folders.ts';
import { type LoadRun, runLoad } from '../harness/load.ts';
import { serverCore, startPinned } from '../harness/processes.ts';
import { type Contender, metricOf, ratioOf, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { polycast, startHub } from '../peers/polycast.ts';

const channels = 100;
const eventBytes = 128;
const rowsPerCommit = 1_000;
const eventsPerSecondEnough = 150_000;
const shareOfBulkInsertEnough = 0.8;

export const ndjsonStream: Scenario = {
  name: 'ndjson-stream',
  title: 'Publishing by one NDJSON stream',
  run: async (options) => {
    const lines = options.quick ? 100_000 : 500_000;
    let dataFolder = '';
    const hub: Contender = {
      name: 'polycast',
      peer: polycast,
      run: async () => {
        if (dataFolder !== '') rmSync(dataFolder, { recursive: true });
        dataFolder = freshFolder('hub');
        return publishStream(dataFolder, lines);
      },
    };
    const bulkInsert = (name: string, perCommit: number): Contender => ({
      name,
      peer: polycast, // It needs the hub's rows. Without a hub there is nothing to insert.
      run: () => insertAgain(dataFolder, perCommit),
    });
    const series = await runInterleaved(
      [hub, bulkInsert('sqlite, one commit', 0), bulkInsert('sqlite, 1,000 rows a commit', rowsPerCommit)],
      options,
    );
    const eventsPerSecond = metricOf(series, 'polycast', 'eventsPerSecond');
    const share = ratioOf(series, 'polycast', 'sqlite, one commit', 'eventsPerSecond');
    return {
      settings: { lines, channels, eventBytes },
      series,
      bars: [
        // Either limit is sufficient; the closer one is shown.
        eventsPerSecond / eventsPerSecondEnough > share / shareOfBulkInsertEnough
          ? {
              title: 'events/s by an NDJSON stream',
              figure: eventsPerSecond,
              atLeast: eventsPerSecondEnough,
              unit: '/s',
            }
          : {
              title: "events/s by SQLite's bulk insert in one commit",
              figure: share,
              atLeast: shareOfBulkInsertEnough,
              unit: '×',
            },
        { title: 'lines refused or not answered', figure: unanswered(series[0]?.runs ?? []), atMost: 0, unit: '' },
      ],
      charts: [{ title: 'Events stored a second', figure: 'eventsPerSecond', unit: '/s', better: 'more' }],
      columns: [
        { title: 'events/s', figure: 'eventsPerSecond' },
        { title: 'CPU, µs an event', figure: 'serverCpuMicrosecondsPerEvent' },
        { title: 'memory grown by, kB', figure: 'residentGrowthKilobytes' },
      ],
    };
  },
};

async function publishStream(dataFolder: string, lines: number): Promise<LoadRun> {
  const hub = await startHub(dataFolder);
  try {
    return await runLoad('stream', { port: hub.port, pids: hub.process.pids().join(','), lines, channels, eventBytes });
  } finally {
    await hub.process.stop();
  }
}

async function insertAgain(dataFolder: string, perCommit: number): Promise<LoadRun> {
  const target = join(freshFolder('sqlite'), 'events.sqlite');
  const program = join(benchFolder, 'peers', 'servers', 'sqlite-bulk.ts');
  const insert = startPinned(
    [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      program,
      largestFileOf(dataFolder),
      target,
      String(perCommit),
    ],
    {
      core: serverCore,
    },
  );
  const exitCode = await new Promise<number | null>((resolve) => insert.child.once('close', resolve));
  if (exitCode !== 0) throw new Error(`the bulk insert failed: ${insert.output()}`);
  return JSON.parse(insert.output()) as LoadRun;
}

function largestFileOf(folder: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
  const databases = files.filter((file) => statSync(file).isFile() && !/-(?:wal|shm)$/.test(file));
  const largest = databases.toSorted((a, b) => statSync(b).size - statSync(a).size)[0];
  if (largest === undefined) throw new Error('the hub left no file to insert from');
  return largest;
}

function unanswered(runs: readonly LoadRun[]): number {
  if (runs.length === 0) return Number.NaN;
  return runs.reduce((total, run) => total + (run['refusedEvents'] ?? 0) + (run['unansweredEvents'] ?? 0), 0);
}
