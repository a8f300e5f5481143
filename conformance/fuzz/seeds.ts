import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The rounds that have failed once. */
export function regressionSeeds(): readonly number[] {
  const text = readFileSync(join(import.meta.dirname, 'seeds.txt'), 'utf8');
  return [...text.matchAll(/^\d+/gm)].map(([seed]) => Number(seed));
}
