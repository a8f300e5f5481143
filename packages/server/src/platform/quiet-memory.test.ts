import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { QuietTime } from './quiet-memory.ts';

const MB = 1024 * 1024;

test('a quiet time with a large young generation is collected until it is small, and once more for the pool', () => {
  const checks = collectedChecks(40, (check) => ({ used: 3 * MB, size: check <= 7 ? 53 * MB : MB }));
  expect(checks).toEqual([5, 6, 7, 17]);
});

test('collections that return nothing end, and begin anew in the next quiet time', () => {
  const busyCheck = 30;
  const checks = collectedChecks(60, (check) => ({ used: check < busyCheck ? MB : 9 * MB, size: 53 * MB }));
  expect(checks).toEqual([5, 6, 7, 8, 18, 35, 36, 37, 38, 48]);
});

test('nothing is collected where little can be returned, or while objects are allocated', () => {
  expect(collectedChecks(60, () => ({ used: MB, size: 6 * MB }))).toEqual([]);
  expect(collectedChecks(60, (check) => ({ used: check * MB, size: 53 * MB }))).toEqual([]);
});

test('V8 may collect by itself in a quiet time', () => {
  const checks = collectedChecks(20, (check) => ({ used: check < 4 ? 9 * MB : 0.1 * MB, size: 53 * MB }));
  expect(checks).toEqual([5, 6, 7, 8, 18]);
});

/** The checks at which it collects: the first quiet one has number 1. */
function collectedChecks(count: number, at: (check: number) => { used: number; size: number }): number[] {
  const quietTime = new QuietTime();
  // What was allocated before is not quiet.
  quietTime.needsCollection({ used: 20 * MB, size: 53 * MB });
  quietTime.needsCollection(at(0));
  const checks: number[] = [];
  for (let check = 1; check <= count; check++) {
    if (!quietTime.needsCollection(at(check))) continue;
    quietTime.collected(at(check));
    checks.push(check);
  }
  return checks;
}

test('V8 makes the young generation of a quiet process small', { timeout: 120_000 }, async () => {
  const program = `
    import { getHeapSpaceStatistics } from 'node:v8';
    import { returnQuietMemory } from ${JSON.stringify(new URL('quiet-memory.ts', import.meta.url).href)};
    const megabytes = () => getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size / 2 ** 20;
    let kept = [];
    const burst = () => {
      while (megabytes() < 16) kept = Array.from({ length: 200_000 }, (_, index) => ({ index }));
      kept = [];
    };
    const checkMs = 500;
    returnQuietMemory(checkMs);
    // On a busy machine a quiet time may be interrupted.
    do {
      burst();
      const endMs = performance.now() + 25 * checkMs;
      while (megabytes() >= 8 && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 50));
    } while (megabytes() >= 8);
    console.log(megabytes());
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  expect(Number(stdout)).toBeLessThan(8);
});
