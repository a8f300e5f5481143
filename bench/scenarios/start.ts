// The start of a hub in an empty folder, as a user has it, and its memory after a minute without
// work. A bare node:http server shows what the runtime itself takes.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildBinary } from '../../scripts/build-binary.ts';
import { build } from '../../scripts/build.ts';
import { freshFolder, repositoryFolder } from '../harness/folders.ts';
import type { LoadRun } from '../harness/load.ts';
import { loadCore, type PinnedProcess, serverCore, startPinned, waitUntilReady } from '../harness/processes.ts';
import { type Contender, metricOf, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { median } from '../harness/statistics.ts';
import { nodeHttp } from '../peers/node-http.ts';
import { polycast } from '../peers/polycast.ts';

const starts = 10;
const idleSeconds = 60;
const readyMaxMs = 400;
const idleMegabytesMax = 110;
const executableReadyMaxMs = 500;
const executableMegabytesMax = 150;
const readyCheckMs = 1;
const clockTickMs = 10;

const BARE =
  "const server = require('node:http').createServer((request, response) => response.end());" +
  "server.listen(0, '127.0.0.1', () => console.log('listening on'));";
const PACKAGE = join(repositoryFolder, 'packages/server/dist/lib/polycast.js');
const SOURCES = join(repositoryFolder, 'packages/server/src/cli/polycast.ts');
const EXECUTABLE = join(repositoryFolder, 'dist/polycast');

/** The commands, each of which prints `listening on` when it is ready. */
const commands: Readonly<Record<string, () => readonly string[]>> = {
  'polycast, package': () => [process.execPath, PACKAGE, ...serve()],
  'polycast, executable': () => [EXECUTABLE, ...serve()],
  'polycast, sources': () => [process.execPath, SOURCES, ...serve()],
  'node:http': () => [process.execPath, '-e', BARE],
};

export const start: Scenario = {
  name: 'start',
  title: 'Start in an empty folder',
  run: async (options) => {
    await build({ ifStale: true });
    await buildBinary(EXECUTABLE);
    const seconds = options.quick ? 2 : idleSeconds;
    const contenders: Contender[] = Object.entries(commands).map(([name, command]) => ({
      name,
      peer: name === 'node:http' ? nodeHttp : polycast,
      run: () => measure(command, seconds),
    }));
    const series = await runInterleaved(contenders, options);
    const figureOf = (name: string, figure: string): number => metricOf(series, name, figure);
    return {
      settings: { starts, idleSeconds: seconds },
      series,
      bars: [
        {
          title: 'the package: from the start of the process to ready',
          figure: figureOf('polycast, package', 'readyMs'),
          atMost: readyMaxMs,
          unit: 'ms',
        },
        {
          title: 'the package: resident memory after a minute without work',
          figure: figureOf('polycast, package', 'idleMegabytes'),
          atMost: idleMegabytesMax,
          unit: 'MB',
        },
        {
          title: 'the single executable: from the start of the process to ready',
          figure: figureOf('polycast, executable', 'readyMs'),
          atMost: executableReadyMaxMs,
          unit: 'ms',
        },
        {
          title: 'the single executable: size of the file',
          figure: existsSync(EXECUTABLE) ? statSync(EXECUTABLE).size / 1e6 : Number.NaN,
          atMost: executableMegabytesMax,
          unit: 'MB',
        },
      ],
      charts: [{ title: 'From the start of the process to ready', figure: 'readyMs', unit: 'ms', better: 'less' }],
      columns: [
        { title: 'ready after, ms', figure: 'readyMs' },
        { title: 'CPU until ready, ms', figure: 'readyCpuMs' },
        { title: 'idle memory, MB', figure: 'idleMegabytes' },
      ],
    };
  },
};

/** The medians of several starts; the last process is then left alone. */
async function measure(command: () => readonly string[], seconds: number): Promise<LoadRun> {
  // The first start fills the page cache and the compile cache.
  await (await startOnce(command())).process.stop();
  const all: { readyMs: number; readyCpuMs: number }[] = [];
  for (let count = 1; ; count++) {
    const { process: started, ...figures } = await startOnce(command());
    all.push(figures);
    if (count === starts) {
      await sleep(seconds * 1000);
      const idleMegabytes = residentMegabytes(started.pid);
      await started.stop();
      const [readyMs, readyCpuMs] = [all.map((each) => each.readyMs), all.map((each) => each.readyCpuMs)];
      return { readyMs: median(readyMs), readyCpuMs: median(readyCpuMs), idleMegabytes };
    }
    await started.stop();
  }
}

async function startOnce(
  command: readonly string[],
): Promise<{ readonly process: PinnedProcess; readonly readyMs: number; readonly readyCpuMs: number }> {
  const started = startPinned(command, {
    core: `${serverCore},${loadCore}`,
    environment: { NODE_ENV: 'production' },
  });
  await waitUntilReady(started, async () => started.output().includes('listening on'), readyCheckMs);
  return { process: started, readyMs: performance.now() - started.startedAtMs, readyCpuMs: cpuMs(started.pid) };
}

function serve(): readonly string[] {
  return ['serve', '--listen', '127.0.0.1:0', '--data', join(freshFolder('hub'), 'data')];
}

/** User and system time of all threads. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * clockTickMs;
}

function residentMegabytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return (Number(kilobytes) * 1024) / 1e6;
}
