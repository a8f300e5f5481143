// Before and after: the hub of another checkout and the hub of this one, in turns, in the same
// scenario. Example: `npm run bench -- burst-sse --against ../before` starts each run twice, once
// with each program.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryFolder, resultsFolder } from './folders.ts';
import type { LoadRun } from './load.ts';
import { AFTER, BEFORE, type Outcome, type RunOptions, type Series } from './scenario.ts';
import { median } from './statistics.ts';

const FILE = 'before-and-after.md';

/** One metric of one contender: the medians, and the median of the ratios of paired runs. */
interface Change {
  readonly scenario: string;
  readonly contender: string;
  readonly figure: string;
  readonly before: number;
  readonly after: number;
  readonly ratio: number;
}

export function changesOf(scenario: string, { series, columns }: Outcome): Change[] {
  return series.flatMap((after) => {
    const name = nameOf(after, AFTER);
    const before = series.find((one) => name !== undefined && nameOf(one, BEFORE) === name);
    if (name === undefined || before === undefined) return [];
    return columns.map(({ figure }) => ({
      scenario,
      contender: name,
      figure,
      before: before.median[figure] ?? Number.NaN,
      after: after.median[figure] ?? Number.NaN,
      ratio: median(ratios(before.runs, after.runs, figure)),
    }));
  });
}

function nameOf({ name }: Series, which: string): string | undefined {
  const suffix = ` (${which})`;
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : undefined;
}

function ratios(before: readonly LoadRun[], after: readonly LoadRun[], figure: string): number[] {
  const pairs = Math.min(before.length, after.length);
  return Array.from({ length: pairs }, (_each, run) => (after[run]?.[figure] ?? NaN) / (before[run]?.[figure] ?? NaN));
}

/** @returns the table as Markdown */
export function changeTable(
  changes: readonly Change[],
  checkout: string,
  { repeats, atOnce }: Pick<RunOptions, 'repeats' | 'atOnce'>,
): string {
  const rows = changes.map(
    ({ scenario, contender, figure, before, after, ratio }) =>
      `| ${scenario} | ${contender} | ${figure} | ${rounded(before)} | ${rounded(after)} | ${rounded(ratio)} |`,
  );
  return [
    `# Before and after`,
    '',
    `The hub at ${commitOf(checkout)} and at ${commitOf(repositoryFolder)}, ${repeats} runs each, ${atOnce ? 'at once' : 'in turns'} on one`,
    'machine. A ratio is the median of the ratios of neighbouring runs.',
    '',
    '| scenario | contender | figure | before | after | ratio |',
    '|---|---|---|---:|---:|---:|',
    ...rows,
    '',
  ].join('\n');
}

export function writeChanges(table: string): void {
  writeFileSync(join(resultsFolder, FILE), table);
}

function rounded(value: number): string {
  return Number.isNaN(value) ? '' : String(Number(value.toPrecision(4)));
}

function commitOf(checkout: string): string {
  return execFileSync('git', ['-C', checkout, 'rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
}
