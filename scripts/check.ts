import { spawn, type ChildProcess } from 'node:child_process';
import { globSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';

const ROOT = join(import.meta.dirname, '..');
const ENVIRONMENT = { ...process.env, PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH']}` };

/**
 * All checks before a commit: the static ones, then the quick tests. `--static` leaves the tests
 * out. `npm test`, and so CI, runs it with `--all`: all tests, and the static checks meanwhile,
 * with the lowest priority. The tests wait often enough to leave them some of two cores.
 */
interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

interface Outcome {
  readonly step: Step;
  readonly passed: boolean;
  readonly output: string;
  readonly seconds: number;
}

const STATIC: readonly Step[] = [
  { name: 'format', command: ['oxfmt', '--check'] },
  { name: 'lint', command: ['oxlint', '--deny-warnings'] },
  { name: 'tidy', command: ['node', 'scripts/tidy.ts'] },
  { name: 'docs in step', command: ['node', 'scripts/generate-docs.ts', '--check'] },
  { name: 'unused code', command: ['knip', '--no-progress'] },
  ...typeScriptProjects().map((project): Step => ({ name: `types ${project}`, command: ['tsc', '-p', project] })),
];

/** Two cores are the least that people have. The tests get both for themselves. */
const CONCURRENT_MAX = 2;

const { values } = parseArgs({
  options: { static: { type: 'boolean', default: false }, all: { type: 'boolean', default: false } },
});
const startedMs = performance.now();
if (values.all) {
  const [tests, outcomes] = await Promise.all([runAllTests(), runStatic(1)]);
  summarize([...outcomes, tests]);
} else {
  const outcomes = await runStatic(CONCURRENT_MAX);
  if (!values.static) outcomes.push(await run({ name: 'tests', command: ['vitest', 'run', '--project', 'quick'] }));
  summarize(outcomes);
}

async function runStatic(concurrent: number): Promise<Outcome[]> {
  const pending = [...STATIC];
  const worker = async (): Promise<Outcome[]> => {
    const done: Outcome[] = [];
    for (let step = pending.shift(); step !== undefined; step = pending.shift()) done.push(await run(step));
    return done;
  };
  return (await Promise.all(Array.from({ length: concurrent }, worker))).flat();
}

/** All tests, printed as they run. */
async function runAllTests(): Promise<Outcome> {
  const testsStartedMs = performance.now();
  const step: Step = { name: 'tests', command: ['vitest', 'run'] };
  const child = spawn('vitest', ['run'], { cwd: ROOT, env: ENVIRONMENT, stdio: 'inherit' });
  const passed = await endOf(child);
  return { step, passed, output: 'see above', seconds: (performance.now() - testsStartedMs) / 1000 };
}

async function run(step: Step): Promise<Outcome> {
  const stepStartedMs = performance.now();
  const [command, ...rest] = step.command;
  const child = spawn(command, rest, { cwd: ROOT, env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] });
  if (values.all && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const passed = await endOf(child);
  const outcome = { step, passed, output, seconds: (performance.now() - stepStartedMs) / 1000 };
  print(outcome);
  return outcome;
}

function endOf(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve, reject) => child.on('error', reject).on('close', (code) => resolve(code === 0)));
}

function print({ step, passed, seconds }: Outcome): void {
  const mark = passed ? styleText('green', '✓') : styleText('red', '✗');
  console.log(`${mark} ${step.name} ${styleText('dim', `${seconds.toFixed(1)} s`)}`);
}

function summarize(all: readonly Outcome[]): void {
  const failed = all.filter(({ passed }) => !passed);
  for (const { step, output } of failed) {
    console.log(
      `\n${styleText(['bold', 'red'], step.name)} ${styleText('dim', step.command.join(' '))}\n${output.trimEnd()}`,
    );
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const verdict =
    failed.length === 0
      ? styleText('green', 'all is well')
      : styleText('red', `failed: ${failed.map(({ step }) => step.name).join(', ')}`);
  console.log(`\n${verdict} in ${seconds} s`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

function typeScriptProjects(): string[] {
  const patterns = ['packages/*/tsconfig*.json', '{conformance,simulation,bench,scripts,examples}/tsconfig*.json'];
  return globSync(patterns, { cwd: ROOT, exclude: (name) => name === 'node_modules' }).toSorted();
}
