import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFailed, test } from 'vitest';
import { canShim, shimDisk } from '../../kit/disk-shim.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { Seeded } from '../../kit/seeded.ts';
import { acksAfter, CRASH_OUTCOMES, filesAfter, parseJournal, writeFiles } from './journal.ts';
import { LIVES } from './lives.ts';
import { ACKS_FILE, acksIn, linesOf } from './lives/life.ts';

const LIFE = join(import.meta.dirname, 'life.ts');
/**
 * The number of states and kills of each store in CI. Each run has others, so that together they
 * cover all. `POLYCAST_SEED` repeats a run; `POWER_CUT=all` covers all.
 */
const isComplete = process.env['POWER_CUT'] === 'all';
const STATES = 30;
const KILLS = 4;

/** The operation at which a life is killed, or its outcome. */
function live(name: string, folder: string, killAt?: number): Buffer {
  const disk = shimDisk(folder);
  disk.order('journal', '');
  if (killAt !== undefined) disk.order('kill-at', String(killAt));
  const { status, signal, stderr } = spawnSync(process.execPath, [LIFE, name, folder], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'], ...disk.environment },
  });
  if (killAt === undefined) expect(status, stderr).toBe(0);
  else expect([status, signal], stderr).toEqual([null, 'SIGKILL']);
  return readFileSync(disk.journal);
}

/** A random number in each of this many equal parts, or all numbers, from 1 on. */
function sample(of: number, count: number, random: Seeded): readonly number[] {
  if (isComplete) return Array.from({ length: of }, (_, index) => index + 1);
  return Array.from({ length: count }, (_, part) => 1 + Math.floor(((part + random.fraction()) * of) / count));
}

function seeded(): Seeded {
  const random = new Seeded();
  onTestFailed(() => console.error(`POLYCAST_SEED=${random.seed}`));
  return random;
}

describe.each(LIVES)('$name', ({ name, wrongWith }) => {
  test('a power cut loses no acknowledged event, whichever unsynced writes survive', async ({ skip }) => {
    skip(!canShim, 'there is no compiler');
    const random = seeded();
    const operations = parseJournal(live(name, temporaryFolder('life')));
    expect(operations.length).toBeGreaterThan(100);
    const wrong: string[] = [];
    for (const point of sample(operations.length, STATES, random)) {
      for (const fate of isComplete ? CRASH_OUTCOMES : [random.pick(CRASH_OUTCOMES)]) {
        const folder = join(temporaryFolder('power-cut'), 'data');
        writeFiles(folder, filesAfter(operations, point, fate, random));
        rmSync(join(folder, ACKS_FILE), { force: true });
        const found = await wrongWith(folder, linesOf(acksAfter(operations, point, ACKS_FILE)));
        if (found !== undefined) wrong.push(`after ${point} of ${operations.length} operations, ${fate}: ${found}`);
        rmSync(folder, { recursive: true });
      }
    }
    expect(wrong, `POLYCAST_SEED=${random.seed}`).toEqual([]);
  });

  test('a process that is killed at any point loses no acknowledged event', async ({ skip }) => {
    skip(!canShim, 'there is no compiler');
    const random = seeded();
    const { length } = parseJournal(live(name, temporaryFolder('life')));
    const wrong: string[] = [];
    // The number of operations differs between lives, because of threads.
    for (const point of sample(Math.floor(length * 0.9), KILLS, random)) {
      const folder = temporaryFolder('killed');
      live(name, folder, point);
      const found = await wrongWith(folder, linesOf(acksIn(folder)));
      if (found !== undefined) wrong.push(`killed at operation ${point} of ${length}: ${found}`);
      rmSync(folder, { recursive: true });
    }
    expect(wrong, `POLYCAST_SEED=${random.seed}`).toEqual([]);
  });
});
