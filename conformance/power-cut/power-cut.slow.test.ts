import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { canShim, shimDisk } from '../kit/disk-shim.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { Seeded } from '../kit/seeded.ts';
import { ACKS_FILE, acksIn, wrongWith } from './check.ts';
import { acksAfter, FATES, filesAfter, parseJournal, writeFiles } from './journal.ts';

const LIFE = join(import.meta.dirname, 'life.ts');
/** So many states and kills in CI; `POWER_CUT=all` for all of them. */
const isComplete = process.env['POWER_CUT'] === 'all';
const STATES = 30;
const KILLS = 6;

/** Where a life is killed, or how it went. */
function live(folder: string, killAt?: number): Buffer {
  const disk = shimDisk(folder);
  disk.order('journal', '');
  if (killAt !== undefined) disk.order('kill-at', String(killAt));
  const { status, signal, stderr } = spawnSync(process.execPath, [LIFE, folder], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'], ...disk.environment },
  });
  if (killAt === undefined) expect(status, stderr).toBe(0);
  else expect([status, signal], stderr).toEqual([null, 'SIGKILL']);
  return readFileSync(disk.journal);
}

/** Spread evenly, or all of them. */
function sample(of: number, count: number): readonly number[] {
  const all = Array.from({ length: of }, (_, index) => index + 1);
  return isComplete ? all : all.filter((at) => Math.floor((at * count) / of) > Math.floor(((at - 1) * count) / of));
}

test('whatever a power cut leaves of what was not synced, nothing that was acknowledged is lost', async ({ skip }) => {
  skip(!canShim, 'there is no compiler');
  const operations = parseJournal(live(temporaryFolder('life')));
  expect(operations.length).toBeGreaterThan(100);
  const random = new Seeded();
  const points = sample(operations.length, STATES);
  const wrong: string[] = [];
  for (const [index, point] of points.entries()) {
    for (const fate of isComplete ? FATES : [FATES[index % FATES.length] ?? 'lost']) {
      const folder = join(temporaryFolder('power-cut'), 'data');
      writeFiles(folder, filesAfter(operations, point, fate, random));
      rmSync(join(folder, ACKS_FILE), { force: true });
      const found = await wrongWith(folder, acksAfter(operations, point, ACKS_FILE));
      if (found !== undefined) wrong.push(`after ${point} operations, ${fate}: ${found} (seed ${random.seed})`);
      rmSync(folder, { recursive: true });
    }
  }
  expect(wrong).toEqual([]);
});

test('wherever a process is killed, nothing that it acknowledged is lost', async ({ skip }) => {
  skip(!canShim, 'there is no compiler');
  const { length } = parseJournal(live(temporaryFolder('life')));
  const wrong: string[] = [];
  for (const point of sample(length - 1, KILLS)) {
    const folder = temporaryFolder('killed');
    live(folder, point);
    const found = await wrongWith(folder, acksIn(folder));
    if (found !== undefined) wrong.push(`killed at operation ${point}: ${found}`);
    rmSync(folder, { recursive: true });
  }
  expect(wrong).toEqual([]);
});
