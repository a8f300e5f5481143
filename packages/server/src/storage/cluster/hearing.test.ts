import { expect, test } from 'vitest';
import type { Fleet } from './fleet.ts';
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

test('without the journal, a hub hears while it has heard all others at every look', () => {
  const journal = { silentMs: 0 };
  const fleet = { hubs: [{ hub: 'b' }, { hub: 'c' }] as unknown as Fleet['hubs'] };
  const hearing = new Hearing(journal, fleet, SILENT_MAX_MS, () => new Promise(() => undefined));
  const all = fleet.hubs;
  const look = (silentMs: number, hubs = all): boolean => {
    journal.silentMs = silentMs;
    fleet.hubs = hubs;
    return hearing.isHearing;
  };
  expect([look(0), look(5_000), look(20_000)]).toEqual([true, true, true]);
  // The hub was silent for a moment: it may have broadcast something then.
  expect([look(0), look(5_000, all.slice(1)), look(9_000), look(11_000)]).toEqual([true, true, true, false]);
});
