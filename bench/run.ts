// Runs the hub and its peers, writes bench/results/ and the tables in docs/benchmarks.md, and
// prints which limits are met.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { changesOf, changeTable, writeChanges } from './harness/before-and-after.ts';
import { workFolder } from './harness/folders.ts';
import { buildLoad } from './harness/load.ts';
import { machineFacts } from './harness/machine.ts';
import { loadCore, outputOf } from './harness/processes.ts';
import { printBars, type Result, writePages, writeResult } from './harness/results.ts';
import { verdictOf } from './harness/scenario.ts';
import { scenarios } from './scenarios/index.ts';

const repeatsDefault = 3;

const usage = `npm run bench -- [SCENARIO ...]    all, unless some are named

  --list         the scenarios
  --repeats N    rounds, of which the median counts; ${repeatsDefault} by default
  --quick        short, once, and so of no weight
  --against DIR  the hub of another checkout in turns with this one, and no other server; writes only
                 bench/results/before-and-after.md
  --at-once      with --against: both hubs at the same time, which shows changes of 3 %
  --dry-run      nothing of bench/results/ and docs/benchmarks.md is changed

Exits with 1 when a bar fails.`;

const { values, positionals } = commandLine();
const repeats = Number(values.repeats ?? (values.quick ? 1 : repeatsDefault));
const unknown = positionals.filter((word) => !scenarios.some(({ name }) => name === word));

if (values.help) console.log(usage);
else if (values.list) for (const { name, title } of scenarios) console.log(`${name.padEnd(20)} ${title}`);
else if (unknown.length > 0) refuse(`no scenario is called ${unknown.join(', ')}; --list shows them all`);
else if (values['at-once'] && values.against === undefined) refuse('--at-once needs --against');
else if (!(Number.isInteger(repeats) && repeats > 0)) refuse('--repeats takes a whole number above 0');
else process.exitCode = (await main()) ? 0 : 1;

function commandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        repeats: { type: 'string' },
        quick: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        against: { type: 'string' },
        'at-once': { type: 'boolean', default: false },
        'dry-run': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function refuse(why: string): never {
  console.error(`${why}\n\n${usage}`);
  process.exit(2);
}

async function main(): Promise<boolean> {
  const chosen = positionals.length === 0 ? scenarios : scenarios.filter(({ name }) => positionals.includes(name));
  const { against } = values;
  const options = { quick: values.quick, repeats, against, atOnce: values['at-once'] };
  const changes: ReturnType<typeof changesOf> = [];

  // The work of this process, such as readiness checks, must not use the server's core.
  outputOf('taskset', '-a', '-c', '-p', String(loadCore), String(process.pid));
  buildLoad();
  const machine = machineFacts();
  const results: Result[] = [];
  for (const scenario of chosen) {
    console.log(`\n${scenario.name}: ${scenario.title}`);
    const outcome = await scenario.run(options);
    clearWorkFolder();
    if (against !== undefined) changes.push(...changesOf(scenario.name, outcome));
    else if (values['dry-run'])
      results.push({
        scenario: scenario.name,
        title: scenario.title,
        measuredOn: '',
        repeats,
        machine,
        ...outcome,
      });
    else results.push(writeResult(scenario, outcome, options, machine));
  }
  if (against !== undefined) return reportChanges(changeTable(changes, against, options));
  if (!values['dry-run']) writePages(scenarios);
  printBars(results);
  return results.every(({ bars }) => bars.every((bar) => verdictOf(bar) !== 'missed'));
}

/** A comparison has no limits; its reader decides. */
function reportChanges(table: string): boolean {
  console.log(`\n${table}`);
  if (!values['dry-run']) writeChanges(table);
  return true;
}

/** Removes the servers' files; the built programs stay. */
function clearWorkFolder(): void {
  for (const entry of readdirSync(workFolder, { withFileTypes: true })) {
    if (entry.isDirectory() && entry.name !== 'go') rmSync(join(workFolder, entry.name), { recursive: true });
  }
}
