import { mkdtemp, open as openFile, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { record } from '../storage/contract/log/log-fixtures.ts';
import { openSqliteLog } from '../storage/sqlite/log/open-sqlite-log.ts';
import { ScrubTask } from './scrub-task.ts';

const EVENTS = 2_000;

test('a flipped bit is reported before a reader reaches it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'polycast-scrub-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const filling = await openSqliteLog({ folder });
  await filling.append(
    Array.from({ length: EVENTS }, (_, index) => record('c', { body: Buffer.from(textOf(index + 1)) })),
  );
  await filling.close();
  await flip(join(folder, 'log.db'), 1_500);

  const said: unknown[] = [];
  const say = (fields: object, message: string): void => void said.push({ fields, message });
  const log = await openSqliteLog({ folder, logger: { warn: say, error: say } });
  onTestFinished(() => log.close());
  const failed = vi.fn<(error: unknown) => void>();
  const task = new ScrubTask({
    log,
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    scrubBytesPerSecond: 100_000_000,
    onError: failed,
    firstPassAfterMs: 0,
  });
  onTestFinished(() => task.close());
  task.start();

  await expect.poll(() => log.stats()['scrubs'], { timeout: 30_000 }).toBe(1);
  expect(log.stats()).toMatchObject({ damagedRanges: 1, reads: 0 });
  expect(log.stats()['scrubbedBytes']).toBe((EVENTS - 1) * textOf(1).length);
  expect(said).toEqual([{ fields: { after: 1_499, through: 1_500 }, message: expect.stringContaining('damaged') }]);
  expect(failed).not.toHaveBeenCalled();
});

test('it reads no faster than configured', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const steps: number[] = [];
  const task = new ScrubTask({
    log: {
      state: { epoch: '0000000000', epochStart: 0, head: 10_000, unavailable: undefined },
      check: (after) => {
        steps.push(after);
        return Promise.resolve({ reached: after + 100, bytes: 1_000 });
      },
    },
    clock: { nowMs: () => Date.now(), monotonicMs: () => Date.now() },
    scrubBytesPerSecond: 2_000,
    onError: () => undefined,
    firstPassAfterMs: 1_000,
  });
  task.start();
  await vi.advanceTimersByTimeAsync(999);
  expect(steps).toEqual([]);
  await vi.advanceTimersByTimeAsync(10_001);
  expect(steps).toHaveLength(21);
  // 100 steps in 50 s; the next pass starts a day after the first.
  await vi.advanceTimersByTimeAsync(120_000);
  expect(steps).toHaveLength(100);
  await vi.advanceTimersByTimeAsync(24 * 3_600_000);
  expect(steps.at(100)).toBe(0);
  await task.close();
  const { length } = steps;
  await vi.advanceTimersByTimeAsync(24 * 3_600_000);
  expect(steps).toHaveLength(length);
});

function textOf(position: number): string {
  return `"data":"event ${String(position).padStart(4, '0')} ${'x'.repeat(200)}"}`;
}

async function flip(file: string, position: number): Promise<void> {
  const at = (await readFile(file)).indexOf(textOf(position).slice(0, 20));
  expect(at).toBeGreaterThan(0);
  const handle = await openFile(file, 'r+');
  await handle.write(Buffer.from('E'), 0, 1, at + 9);
  await handle.close();
}
