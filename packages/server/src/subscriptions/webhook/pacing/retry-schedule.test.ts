import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DueHeap, type DueItem } from '../../state/due-heap.ts';
import { retryDelayMs } from './retry-schedule.ts';

const DELAYS_MS = [5000, 300_000, 1_800_000];

test('each failure is followed by its own delay, with a jitter of a fifth', () => {
  expect([1, 2, 3, 4].map((attempts) => retryDelayMs(DELAYS_MS, attempts, 0.5, undefined))).toEqual([
    5000,
    300_000,
    1_800_000,
    undefined,
  ]);
  expect(retryDelayMs(DELAYS_MS, 1, 0, undefined)).toBe(4000);
  expect(retryDelayMs(DELAYS_MS, 1, 0.999, undefined)).toBeLessThanOrEqual(6000);
});

test('a Retry-After is obeyed, up to a day, and never shortens a delay', () => {
  expect(retryDelayMs(DELAYS_MS, 1, 0.5, 60_000)).toBe(60_000);
  expect(retryDelayMs(DELAYS_MS, 1, 0.5, 10 * 86_400_000)).toBe(86_400_000);
  expect(retryDelayMs(DELAYS_MS, 2, 0.5, 1000)).toBe(300_000);
  expect(retryDelayMs(DELAYS_MS, 4, 0.5, 1000)).toBeUndefined();
});

test('the heap returns due entries in order, after any insertions, moves and removals', () => {
  const steps = fc.array(fc.tuple(fc.nat(15), fc.integer({ min: -1, max: 100 })), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (taken) => {
      const heap = new DueHeap<DueItem & { readonly name: number }>();
      const items = Array.from({ length: 16 }, (_, name) => ({ name, dueMs: 0, heapIndex: -1 }));
      const model = new Map<number, number>();
      for (const [name, dueMs] of taken) {
        const item = items[name] as (typeof items)[number];
        if (dueMs < 0) heap.remove(item);
        else heap.set(item, dueMs);
        if (dueMs < 0) model.delete(name);
        else model.set(name, dueMs);
        expect(heap.nextMs).toBe(Math.min(Infinity, ...model.values()));
      }
      const out: number[] = [];
      for (let item = heap.takeDue(50); item !== undefined; item = heap.takeDue(50)) out.push(item.dueMs);
      expect(out).toEqual([...model.values()].filter((dueMs) => dueMs <= 50).toSorted((one, other) => one - other));
      expect(heap.size).toBe(model.size - out.length);
    }),
  );
});
