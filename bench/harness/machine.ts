// The facts about a machine that a reader needs to judge a result, without any name or path of it.
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { workFolder } from './folders.ts';

export interface MachineFacts {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGibibytes: number;
  readonly kernel: string;
  readonly dataFileSystem: string;
  readonly node: string;
}

export function machineFacts(): MachineFacts {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGibibytes: Math.round(totalmem() / 2 ** 30),
    kernel: `Linux ${release().split('-')[0] ?? ''}`,
    dataFileSystem: fileSystemOf(workFolder),
    node: process.version,
  };
}

function fileSystemOf(folder: string): string {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  const holding = mounts.filter(([, point = '']) => folder.startsWith(point));
  const innermost = holding.toSorted(([, a = ''], [, b = '']) => b.length - a.length)[0];
  return innermost?.[2] ?? 'unknown';
}
