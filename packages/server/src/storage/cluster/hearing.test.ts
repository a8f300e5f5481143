import { expect, test } from 'vitest';
import { Hearing } from './hearing.ts';

const SILENT_MAX_MS = 10_000;

test('a hub whose start took long does not hear before it has what the journal got meanwhile', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const hearing = new Hearing({ silentMs: 0 }, { hubs: [] }, SILENT_MAX_MS, () => promise);
  hearing.start(5_000);
  expect(hearing.isHearing).toBe(false);
  resolve();
  await expect.poll(() => hearing.isHearing).toBe(true);
});

test('a hub that started fast hears at once', () => {
  const hearing = new Hearing({ silentMs: 0 }, { hubs: [] }, SILENT_MAX_MS, () => Promise.reject(new Error('asked')));
  hearing.start(1_000);
  expect(hearing.isHearing).toBe(true);
});
