// A data folder of 1,000,000 events in 10,000 channels: time until ready, as a user has it, then
// resumes from random cursors.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder } from '../harness/folders.ts';
import { type LoadRun, runLoad } from '../harness/load.ts';
import { metricOf, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { commandOf, polycast, startHub, withPackage } from '../peers/polycast.ts';

const channels = 10_000;
const eventBytes = 128;
// Every 499th event, a prime, so that the cursors are in all channels.
const sampleEvery = 499;
const readyMaxMs = 2_000;
const resumeP99MaxMs = 5;

export const startLarge: Scenario = {
  name: 'start-large',
  title: 'Start with 1,000,000 events in 10,000 channels',
  run: async (options) => {
    const events = options.quick ? 200_000 : 1_000_000;
    // An earlier hub cannot open the folder of a later one, so each has its own.
    const folders = new Map<string, FilledFolder>();
    const run = async (): Promise<LoadRun> => {
      const program = commandOf([]).join(' ');
      const filled = folders.get(program) ?? (await fill(events));
      folders.set(program, filled);
      const { dataFolder, pathsFile } = filled;
      const hub = await startHub(dataFolder);
      try {
        const resumes = await runLoad('resume', { port: hub.port, pathsFile });
        return { readyMs: hub.readyMs, ...resumes };
      } finally {
        await hub.process.stop();
      }
    };
    const series = await runInterleaved([{ name: 'polycast', peer: polycast, run: () => withPackage(run) }], options);
    return {
      settings: { events, channels, eventBytes },
      series,
      bars: [
        {
          title: 'from the start of the process to ready',
          figure: metricOf(series, 'polycast', 'readyMs'),
          atMost: readyMaxMs,
          unit: 'ms',
        },
        {
          title: 'p99 of a resume from a random cursor',
          figure: metricOf(series, 'polycast', 'latencyP99Microseconds') / 1000,
          atMost: resumeP99MaxMs,
          unit: 'ms',
        },
        {
          title: 'resumes that got no event',
          figure: metricOf(series, 'polycast', 'resumesWithoutEvent'),
          atMost: 0,
          unit: '',
        },
      ],
      charts: [{ title: 'From start to ready', figure: 'readyMs', unit: 'ms', better: 'less' }],
      columns: [
        { title: 'ready after, ms', figure: 'readyMs' },
        { title: 'resume, p50 µs', figure: 'latencyP50Microseconds' },
        { title: 'resume, p99 µs', figure: 'latencyP99Microseconds' },
      ],
    };
  },
};

interface FilledFolder {
  readonly dataFolder: string;
  /** A line for each resume: `/v1/events?channel=CHANNEL&after=CURSOR`. */
  readonly pathsFile: string;
}

async function fill(events: number): Promise<FilledFolder> {
  const dataFolder = freshFolder('hub');
  const pathsFile = join(freshFolder('cursors'), 'paths.txt');
  const sampleFile = `${pathsFile}.sample`;
  const hub = await startHub(dataFolder);
  try {
    const run = await runLoad('stream', {
      port: hub.port,
      lines: events,
      channels,
      eventBytes,
      sampleFile,
      sampleEvery,
    });
    if (run['acceptedEvents'] !== events)
      throw new Error(`only ${run['acceptedEvents']} of ${events} events were accepted`);
  } finally {
    await hub.process.stop();
  }
  const lines = readFileSync(sampleFile, 'utf8').trim().split('\n');
  // No event follows the last one of a channel, so samples of the last round are left out.
  const answered = lines.slice(0, Math.floor((events - channels) / sampleEvery));
  const cursors = answered.map((line) => JSON.parse(line) as { id: string; channel: string });
  const paths = shuffled(cursors).map(
    ({ id, channel }) => `/v1/events?channel=${channel}&after=${encodeURIComponent(id)}`,
  );
  writeFileSync(pathsFile, `${paths.join('\n')}\n`);
  return { dataFolder, pathsFile };
}

// A fixed step without a common divisor with the length: the same order in each run, with
// neighbours far apart.
function shuffled<T>(items: readonly T[]): T[] {
  const step = 7_919;
  return items.map((_, index) => items[(index * step) % items.length] as T);
}
