import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../packages/server/src/core/ports.ts';
import { openSqliteLog } from '../../packages/server/src/log/sqlite/sqlite-log.ts';

/** In the folder of the log, so that it stands in the same order as the log's own writes. */
export const ACKS_FILE = 'acks';

export function openLog(folder: string): Promise<Log> {
  return openSqliteLog({ folder });
}

export function bodyOf(n: number, bytes: number): string {
  return `"data":"${n} ${'x'.repeat(bytes)}"}`;
}

/** What is wrong with a log of which these were acknowledged: nothing, or a sentence. */
export async function wrongWith(folder: string, acks: string): Promise<string | undefined> {
  const log = await openLog(folder).catch((error: unknown) => String(error));
  if (typeof log === 'string') return acks === '' ? undefined : `it does not open: ${log}`;
  try {
    return await lostOf(log, acks);
  } finally {
    await log.close();
  }
}

export function acksIn(folder: string): string {
  const file = join(folder, ACKS_FILE);
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

async function lostOf(log: Log, acks: string): Promise<string | undefined> {
  const { head } = log.state;
  const range = { after: 0, through: head, direction: 'forward', limit: 10_000, bytesMax: 1e9 } as const;
  const { records, corruptThrough } = await log.read({ patterns: ['>'], types: undefined, ...range });
  if (corruptThrough > 0) return `it is damaged up to ${corruptThrough}`;
  const found = new Map(records.map(({ position, body }) => [position, Buffer.from(body).toString()]));
  // The last line may be cut short.
  const lines = acks
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' '));
  let value: string[] | undefined;
  for (const [position, n, bytes, retain] of lines as [string, string, string, string][]) {
    if (retain === 'latest') value = [position, n, bytes];
    else if (found.get(Number(position)) !== bodyOf(Number(n), Number(bytes))) return `event ${position} is lost`;
  }
  const newest = records.findLast(({ channel }) => channel === 'value')?.position ?? 0;
  if (value !== undefined && newest < Number(value[0])) return `the value of ${value[0]} is lost`;
  return undefined;
}
