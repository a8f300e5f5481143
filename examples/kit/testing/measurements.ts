import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

/** A row of a table of measurements: its cells by the header of their column. */
export type Row = Readonly<Record<string, string | number>>;

const TABLE = /(?<=<!-- measured:begin -->\n\n)[^]*?(?=\n\n<!-- measured:end -->)/;

/**
 * The README of each example shows what a run of its test has measured. With `MEASURE=1` this
 * writes the table there. Otherwise it prints it, and compares header and first column. The
 * READMEs say what ran beside it.
 * @param folder the folder of the example
 */
export function recordMeasurements(folder: string, rows: readonly Row[]): void {
  const table = markdownOf(rows);
  const path = join(folder, 'README.md');
  const readme = readFileSync(path, 'utf8');
  const [shown] = TABLE.exec(readme) ?? [];
  if (shown === undefined)
    throw new Error(`${path} has no table between <!-- measured:begin --> and <!-- measured:end -->`);
  console.log(table);
  if (process.env['MEASURE'] !== undefined)
    writeFileSync(
      path,
      readme.replace(TABLE, () => table),
    );
  else expect(labelsOf(shown)).toEqual(labelsOf(table));
}

/** The value that this share of all values does not exceed: 0.5 is the median. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('There is no value.');
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] as number;
}

/** `3.2 ms`, `41 ms`, `5,000 ms`. */
export function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : count(value)} ms`;
}

/** A whole number with separators: `12,345`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function markdownOf(rows: readonly Row[]): string {
  const header = Object.keys(rows[0] ?? {});
  const alignment = header.map((_name, index) => (index === 0 ? '---' : '---:'));
  const lines = rows.map((row) => header.map((name) => String(row[name])));
  return [header, alignment, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The header, and the first cell of each row. */
function labelsOf(table: string): readonly string[] {
  const lines = table.split('\n');
  return lines.map((line, index) => (index === 0 ? line : (line.split('|')[1] as string).trim()));
}
