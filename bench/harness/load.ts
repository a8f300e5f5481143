// The load generator. It is built once per run of the bench, and called for each measurement.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { benchFolder, workFolder } from './folders.ts';
import { loadCore, startPinned } from './processes.ts';

export type LoadMode = 'fanout' | 'storm' | 'requests' | 'stream' | 'resume' | 'disk' | 'receive' | 'work';
/**
 * The JSON line of one run. `lossSeen` is 1 if an event was missing, delivered twice or refused.
 */
export type LoadRun = Record<string, number>;

/** Its command line: `eventBytes: 128` is `--event-bytes 128`; a list repeats the option. */
export type LoadOptions = Record<string, string | number | readonly string[]>;

const loadBinary = join(workFolder, 'load');
const exitWithLoss = 3;
const runTimeoutMs = 600_000;

export function buildLoad(): void {
  const sourceFolder = join(benchFolder, 'load');
  const sources = readdirSync(sourceFolder).filter((name) => name.endsWith('.cc'));
  mkdirSync(workFolder, { recursive: true });
  const words = [
    '-O2',
    '-std=c++20',
    '-Wall',
    '-Wextra',
    '-o',
    loadBinary,
    ...sources.map((name) => join(sourceFolder, name)),
  ];
  execFileSync('g++', words, { stdio: 'inherit' });
}

/** @param core of the generator; `allCores` where it shares them with the server */
export async function runLoad(
  mode: LoadMode,
  options: LoadOptions,
  core: number | string = loadCore,
): Promise<LoadRun> {
  const load = startPinned([loadBinary, mode, ...commandLine(options)], { core });
  let printed = '';
  load.child.stdout?.on('data', (bytes: Buffer) => (printed += bytes.toString()));
  const timeout = setTimeout(() => load.child.kill('SIGKILL'), runTimeoutMs);
  const exitCode = await new Promise<number | null>((resolve) => load.child.once('close', resolve));
  clearTimeout(timeout);
  if (exitCode !== 0 && exitCode !== exitWithLoss) throw new Error(`load ${mode} failed: ${load.output()}`);
  return { ...(JSON.parse(printed) as LoadRun), lossSeen: exitCode === exitWithLoss ? 1 : 0 };
}

function commandLine(options: LoadOptions): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const option = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    return typeof value === 'object' ? value.flatMap((one) => [option, one]) : [option, String(value)];
  });
}
