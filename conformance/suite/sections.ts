import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const PROTOCOL = join(import.meta.dirname, '../../PROTOCOL.md');

/** The numbered sections of PROTOCOL.md, in order: `4.2`, and `12` if it has no subsections. */
export function protocolSections(): readonly string[] {
  const text = readFileSync(PROTOCOL, 'utf8');
  const numbered = [...text.matchAll(/^(\d+\.\d+) /gm)].map(([, number]) => number as string);
  const chapters = [...text.matchAll(/^## (\d+)\. /gm)].map(([, number]) => number as string);
  const bare = chapters.filter((chapter) => !numbered.some((number) => number.startsWith(`${chapter}.`)));
  return [...numbered, ...bare].toSorted(byNumber);
}

export function byNumber(one: string, other: string): number {
  const [a, b] = [one.split('.').map(Number), other.split('.').map(Number)];
  return (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0);
}
