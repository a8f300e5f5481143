import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ReadBarrier } from './read-barrier.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const never = (): Promise<never> => new Promise(() => undefined);

/** The barrier of a view at block 7. The journal takes no mark. */
function barrierOf(last: () => Promise<number>): ReadBarrier {
  return new ReadBarrier({ journal: { last }, applied: 7, appendMark: never, applyNow: () => undefined });
}

/** Resolves with the time that a call took until it was rejected. */
async function rejectedAfterMs(call: Promise<void>): Promise<number> {
  const startMs = performance.now();
  await expect(call).rejects.toMatchObject({ code: 'log_unavailable' });
  return performance.now() - startMs;
}

test('a caller waits 5 s at most, also for a run that began before it and for a second step', async () => {
  const unreachable = barrierOf(never);
  const first = rejectedAfterMs(unreachable.reach());
  const calls: Promise<number>[] = [];
  for (let count = 0; count < 3; count++) {
    await vi.advanceTimersByTimeAsync(1_000);
    calls.push(rejectedAfterMs(unreachable.reach()), rejectedAfterMs(unreachable.reachCursor(() => false)));
  }
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await first).toBe(5_000);
  expect(await Promise.all(calls)).toEqual(Array(6).fill(5_000));

  // The journal answers late.
  const answersLate = (): Promise<number> => new Promise((resolve) => setTimeout(resolve, 4_000, 7));
  const call = rejectedAfterMs(barrierOf(answersLate).reachCursor(() => false));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await call).toBe(5_000);
});

test('a barrier that is closed rejects those who wait, and those who come', async () => {
  const barrier = barrierOf(async () => 8);
  const waiting = rejectedAfterMs(barrier.whenApplied(8, Infinity));
  const reader = rejectedAfterMs(barrier.reachCursor(() => false));
  await vi.advanceTimersByTimeAsync(100);
  barrier.close();
  expect(await waiting).toBe(100);
  expect(await reader).toBe(100);
  expect(await rejectedAfterMs(barrier.whenApplied(8, Infinity))).toBe(0);
  await barrier.whenApplied(7, Infinity);
});
