// A backup of 1,000,000 events while 5,000 events a second are published, one per request. The
// latency of publishing is compared with the same load without a backup. During the measured load,
// one backup follows the other.
import { spawn } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder } from '../harness/folders.ts';
import { type LoadRun, runLoad } from '../harness/load.ts';
import { loadCore } from '../harness/processes.ts';
import { metricOf, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { commandOf, polycast, type RunningHub, startHub } from '../peers/polycast.ts';

const channels = 10_000;
const eventBytes = 128;
const eventsPerSecond = 5_000;
const backupSecondsMax = 30;
const ratioMax = 2;

export const backup: Scenario = {
  name: 'backup',
  title: 'Backup of 1,000,000 events while 5,000 events/s are published',
  run: async (options) => {
    const events = options.quick ? 200_000 : 1_000_000;
    const seconds = options.quick ? 8 : 20;
    const publishing = (hub: RunningHub): Promise<LoadRun> =>
      runLoad('fanout', {
        port: hub.port,
        pids: hub.process.pids().join(','),
        transport: 'sse',
        ...polycast.subscribeOptions('sse'),
        ...polycast.publishOptions(),
        subscribers: 1,
        publishers: 64,
        rate: eventsPerSecond,
        events: eventsPerSecond * seconds,
        warmUpEvents: eventsPerSecond * 3,
        eventBytes,
      });
    const run = async (): Promise<LoadRun> => {
      const dataFolder = freshFolder('hub');
      const file = join(freshFolder('backups'), 'backup');
      const hub = await startHub(dataFolder);
      try {
        await runLoad('stream', { port: hub.port, lines: events, channels, eventBytes });
        const without = await publishing(hub);
        const during = publishing(hub);
        let isPublishing = true;
        void during.finally(() => (isPublishing = false)).catch(() => undefined);
        const durations: number[] = [];
        while (isPublishing) durations.push(await backUp(dataFolder, file));
        const withBackups = await during;
        return {
          ...withBackups,
          backups: durations.length,
          backupSeconds: Math.max(...durations),
          backupBytes: statSync(file).size,
          acknowledgedP99WithoutMicroseconds: p99Of(without),
          publishP99Ratio: p99Of(withBackups) / p99Of(without),
        };
      } finally {
        await hub.process.stop();
        rmSync(dataFolder, { recursive: true, force: true });
      }
    };
    const series = await runInterleaved([{ name: 'polycast', peer: polycast, run }], options);
    return {
      settings: { events, channels, eventBytes, eventsPerSecond, seconds },
      series,
      bars: [
        {
          title: 'the longest backup of a run',
          figure: metricOf(series, 'polycast', 'backupSeconds'),
          atMost: backupSecondsMax,
          unit: 's',
        },
        {
          title: 'p99 of a publish, relative to the same load without a backup',
          figure: metricOf(series, 'polycast', 'publishP99Ratio'),
          atMost: ratioMax,
          unit: '×',
        },
        {
          title: 'events that a reader missed during the backups',
          figure: metricOf(series, 'polycast', 'missingDeliveries'),
          atMost: 0,
          unit: '',
        },
      ],
      charts: [{ title: 'Time of a backup', figure: 'backupSeconds', unit: 's', better: 'less' }],
      columns: [
        { title: 'backup, s', figure: 'backupSeconds' },
        { title: 'backups in the run', figure: 'backups' },
        { title: 'file, bytes', figure: 'backupBytes' },
        { title: 'publish p99 with, µs', figure: 'acknowledgedP99Microseconds' },
        { title: 'publish p99 without, µs', figure: 'acknowledgedP99WithoutMicroseconds' },
      ],
    };
  },
};

/** The 99th percentile of the time from a request to its answer. */
function p99Of(run: LoadRun): number {
  return run['acknowledgedP99Microseconds'] ?? Number.NaN;
}

/** Makes a backup beside the load, on its core. Returns its duration in seconds. */
async function backUp(dataFolder: string, file: string): Promise<number> {
  const startedAtMs = performance.now();
  const child = spawn('taskset', ['-c', String(loadCore), ...commandOf(['backup', file, '--data', dataFolder])], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const code = await new Promise<number | null>((resolve) => void child.once('exit', resolve));
  if (code !== 0) throw new Error(`the backup ended with ${code}`);
  return (performance.now() - startedAtMs) / 1000;
}
