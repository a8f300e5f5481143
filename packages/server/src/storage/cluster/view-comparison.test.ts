import { expect, test } from 'vitest';
import type { Fleet, HubBeat } from './fleet.ts';
import { ViewComparison } from './view-comparison.ts';

const OWN_HASH = 1;

/** A hub `a` at block 1, beside others, and how often it was outvoted. */
function compared(others: readonly string[]): {
  readonly comparison: ViewComparison;
  readonly hear: (hub: string, hash: number, beats?: number) => void;
  readonly outvoted: () => number;
} {
  const fleet = { self: 'a', hubs: others.map((hub) => ({ hub })), report: () => undefined } as unknown as Fleet;
  let count = 0;
  const comparison = new ViewComparison(fleet, { error: () => undefined }, () => count++);
  comparison.start(1, OWN_HASH);
  const beat: Omit<HubBeat, 'hub' | 'hash'> = { host: 'm', version: '1', sequence: 1 };
  return {
    comparison,
    hear(hub, hash, beats = 1) {
      for (let heard = 0; heard < beats; heard++) comparison.compare({ ...beat, hub, hash });
    },
    outvoted: () => count,
  };
}

test('a hub is outvoted after twenty beats of two others that differ from it, and once', () => {
  const { comparison, hear, outvoted } = compared(['b', 'c']);
  hear('b', 2, 100);
  expect([outvoted(), comparison.mayBeWrong]).toEqual([0, true]);
  for (let beat = 0; beat < 19; beat++) hear(beat % 2 === 0 ? 'c' : 'b', 2);
  expect(outvoted()).toBe(0);
  hear('c', 2);
  expect(outvoted()).toBe(1);
  hear('b', 2, 100);
  expect(outvoted()).toBe(1);
});

test('an equal hub in between begins the count again', () => {
  const { hear, outvoted } = compared(['b', 'c']);
  for (let round = 0; round < 10; round++) {
    hear('b', 2, 9);
    hear('c', 2, 9);
    hear('c', OWN_HASH);
  }
  expect(outvoted()).toBe(0);
});

test('two that differ from two others are not outvoted, and may be wrong; the majority is neither', () => {
  const even = compared(['b', 'c', 'd']);
  const most = compared(['b', 'c']);
  for (const { hear } of [even, most]) {
    hear('b', OWN_HASH);
    hear('c', 2);
  }
  for (let round = 0; round < 50; round++) for (const hub of ['c', 'd']) even.hear(hub, 2);
  expect([even.outvoted(), even.comparison.mayBeWrong]).toEqual([0, true]);
  expect([most.outvoted(), most.comparison.mayBeWrong]).toEqual([0, false]);
});
