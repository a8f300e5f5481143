// The results of a run: a data file and a chart for each scenario, and the tables in the page of
// the docs.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chartSvg, readable } from './chart.ts';
import { repositoryFolder, resultsFolder } from './folders.ts';
import type { MachineFacts } from './machine.ts';
import { type Bar, type Outcome, type RunOptions, type Scenario, verdictOf } from './scenario.ts';

export interface Result extends Outcome {
  readonly scenario: string;
  readonly title: string;
  readonly measuredOn: string;
  readonly repeats: number;
  readonly machine: MachineFacts;
}

/** A page with a section that is generated from the results. */
interface Page {
  readonly file: string;
  readonly begin: string;
  readonly end: string;
}

const benchmarksPage: Page = {
  file: join(repositoryFolder, 'docs', 'benchmarks.md'),
  begin: '<!-- results: written by `npm run bench`, do not edit by hand -->',
  end: '<!-- end of results -->',
};
const readme: Page = {
  file: join(repositoryFolder, 'README.md'),
  begin: '<!-- bench:begin -->',
  end: '<!-- bench:end -->',
};

const dataFolder = join(resultsFolder, 'json');
const chartsFolder = join(resultsFolder, 'charts');

export function writeResult(scenario: Scenario, outcome: Outcome, options: RunOptions, machine: MachineFacts): Result {
  const result: Result = {
    scenario: scenario.name,
    title: scenario.title,
    measuredOn: new Date().toISOString().slice(0, 10),
    repeats: options.repeats,
    machine,
    ...outcome,
  };
  for (const folder of [dataFolder, chartsFolder]) mkdirSync(folder, { recursive: true });
  // NaN has no place in JSON and becomes null: not measured.
  writeFileSync(join(dataFolder, `${scenario.name}.json`), `${JSON.stringify(result, undefined, 2)}\n`);
  for (const [index, chart] of outcome.charts.entries()) {
    const suffix = index === 0 ? '' : `-${index + 1}`;
    writeFileSync(join(chartsFolder, `${scenario.name}${suffix}.svg`), chartSvg(scenario.title, chart, outcome.series));
  }
  return result;
}

export function printBars(results: readonly Result[]): void {
  for (const result of results) {
    console.log(`\n${result.title}`);
    for (const bar of result.bars)
      console.log(
        `  ${verdictOf(bar).padEnd(12)} ${measuredText(bar).padEnd(14)} ${targetText(bar).padEnd(18)} ${bar.title}`,
      );
  }
}

/**
 * Writes all committed results, also those of earlier runs, into their page, and the charts into
 * the README.
 */
export function writePages(order: readonly Scenario[]): void {
  const results = order.flatMap(({ name }) => readResult(name) ?? []);
  fill(benchmarksPage, [barTable(results), ...results.map(section)].join('\n\n'));
  fill(readme, barTable(results.map((result) => ({ ...result, bars: result.bars.filter(isMain) }))));
}

/**
 * The check for lost events is a condition of each result, not a result. Metrics without a limit
 * are on the page of results only.
 */
function isMain({ atLeast, atMost }: Bar): boolean {
  return atMost !== 0 && (atLeast ?? atMost) !== undefined;
}

function fill({ file, begin, end }: Page, content: string): void {
  const text = readFileSync(file, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${file} has lost its markers for results`);
  writeFileSync(file, `${text.slice(0, from)}${begin}\n\n${content}\n\n${text.slice(to)}`);
}

function readResult(name: string): Result | undefined {
  const file = join(dataFolder, `${name}.json`);
  if (!existsSync(file)) return undefined;
  const result = JSON.parse(readFileSync(file, 'utf8')) as Result;
  return { ...result, bars: result.bars.map((bar) => ({ ...bar, figure: bar.figure ?? Number.NaN })) };
}

function barTable(results: readonly Result[]): string {
  const rows = results.flatMap(({ title, bars }) =>
    bars.map((bar) => `| ${title} | ${bar.title} | ${targetText(bar)} | ${measuredText(bar)} | ${verdictOf(bar)} |`),
  );
  return ['| scenario | measure | target | result | |', '|---|---|---|---|---|', ...rows].join('\n');
}

function section(result: Result): string {
  const { scenario, title, machine, settings, series, charts, columns, repeats, measuredOn } = result;
  const measured = series.filter(({ skipped }) => skipped === undefined);
  const notRun = series.filter(({ skipped }) => skipped !== undefined);
  const lines = [
    `### ${title}`,
    '',
    ...charts.map(
      (_, index) => `![${title}](../bench/results/charts/${scenario}${index === 0 ? '' : `-${index + 1}`}.svg)`,
    ),
    '',
    `Load: ${Object.entries(settings)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')}.`,
    '',
    `| server | ${columns.map((column) => column.title).join(' | ')} |`,
    `|---|${columns.map(() => '---:|').join('')}`,
    ...measured.map(
      ({ name, median }) =>
        `| ${name} | ${columns.map(({ figure }) => readable(median[figure] ?? Number.NaN)).join(' | ')} |`,
    ),
    '',
    ...notRun.map(({ name, skipped = '' }) => `Not run: ${name} (${skipped.split('\n')[0]}).\n`),
    `Medians of ${repeats} interleaved runs on ${measuredOn}: ${machine.processor}, ${machine.cores} cores, ` +
      `${machine.memoryGibibytes} GiB, ${machine.kernel}, data on ${machine.dataFileSystem}. ` +
      `${[...new Set(measured.map(({ version }) => version))].join('; ')}.`,
  ];
  return lines.join('\n').replaceAll('\n\n\n', '\n\n');
}

function measuredText(bar: Bar): string {
  return Number.isNaN(bar.figure) ? '–' : `${readable(bar.figure)} ${bar.unit}`.trim();
}

function targetText({ atLeast, atMost, unit }: Bar): string {
  if (atLeast !== undefined) return `at least ${readable(atLeast)} ${unit}`.trim();
  if (atMost !== undefined) return `at most ${readable(atMost)} ${unit}`.trim();
  return 'no limit';
}
