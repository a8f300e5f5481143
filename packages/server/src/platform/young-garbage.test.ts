import { expect, test } from 'vitest';
import { YoungGarbage } from './young-garbage.ts';

test('buffers that nobody uses are freed after some of them, and the others stay', async () => {
  const garbage = new YoungGarbage();
  const before = process.memoryUsage().arrayBuffers;
  const kept = new Uint8Array(1_000_000).fill(7);
  for (let index = 0; index < 50; index++) new Uint8Array(1_000_000).fill(index);
  garbage.add(2_000_000);
  expect(process.memoryUsage().arrayBuffers - before).toBeGreaterThan(20_000_000);
  garbage.add(1_000_000);
  await expect.poll(() => process.memoryUsage().arrayBuffers - before).toBeLessThan(5_000_000);
  expect(kept.every((byte) => byte === 7)).toBe(true);
  expect(Reflect.has(globalThis, 'gc')).toBe(false);
});
