import { constants, PerformanceObserver } from 'node:perf_hooks';
import { expect, onTestFinished, test, vi } from 'vitest';
import { YoungGarbage } from './young-garbage.ts';

test('buffers that nobody uses are freed after some of them, and the others stay', async () => {
  const collections = observeForced();
  const garbage = new YoungGarbage();
  const before = process.memoryUsage().arrayBuffers;
  const kept = new Uint8Array(1_000_000).fill(7);
  for (let index = 0; index < 50; index++) new Uint8Array(1_000_000).fill(index);
  // Every third of them asks for a collection. V8 may collect the whole heap instead.
  for (let count = 0; count < 12; count++) garbage.add(1_000_000);
  await expect.poll(() => collections.length).toBe(4);
  expect(collections).toContain(constants.NODE_PERFORMANCE_GC_MINOR);
  await expect.poll(() => process.memoryUsage().arrayBuffers - before).toBeLessThan(5_000_000);
  expect(kept.every((byte) => byte === 7)).toBe(true);
  expect(Reflect.has(globalThis, 'gc')).toBe(false);
});

test('two collections are some time apart, and bytes of that time count towards the second', async () => {
  const collections = observeForced();
  const garbage = new YoungGarbage(60_000);
  for (let count = 0; count < 12; count++) garbage.add(1_000_000);
  await expect.poll(() => collections.length).toBe(1);
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
  garbage.add(1);
  vi.restoreAllMocks();
  await expect.poll(() => collections.length).toBe(2);
});

/** The kinds of the collections that are asked for. V8 collects by itself at any time. */
function observeForced(): readonly number[] {
  const kinds: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind, flags } = (entry as unknown as { detail: { kind: number; flags: number } }).detail;
      if ((flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) !== 0) kinds.push(kind);
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  onTestFinished(() => observer.disconnect());
  return kinds;
}
