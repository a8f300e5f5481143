import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ChannelPrefixes, prefixOf } from './channel-prefixes.ts';
import { PREFIXES_MAX } from './log-limits.ts';

test('no loss is forgotten, with any merges and any stores and loads', () => {
  const losses = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 1, max: 100 })));
  fc.assert(
    fc.property(losses, fc.integer({ min: 0, max: 60 }), (raised, rest) => {
      const families = new ChannelPrefixes();
      const follower = new ChannelPrefixes();
      for (const [family, through] of raised) families.raise(`f${family}`, through);
      families.mergeThrough(rest);
      // In another order, since the rows of a table have none.
      for (const [family, through] of raised.toReversed()) follower.raise(`f${family}`, through);
      follower.mergeThrough(rest);
      for (const [family, through] of raised) {
        expect(families.lostThrough(`f${family}.x`)).toBeGreaterThanOrEqual(through);
        expect(families.lostThrough('>')).toBeGreaterThanOrEqual(through);
        expect(follower.lostThrough(`f${family}.>`)).toBe(families.lostThrough(`f${family}`));
      }
      expect(families.lostThrough('unknown.x')).toBe(rest);
    }),
  );
});

test('up to the limit prefixes are known one by one; beyond it those that lost the oldest are merged', () => {
  const families = new ChannelPrefixes();
  for (let index = 1; index <= PREFIXES_MAX; index++) families.raise(`f${index}`, index);
  expect([families.othersLostThrough, families.lostThrough('f1'), families.lostThrough('unknown')]).toEqual([0, 1, 0]);
  families.raise('last', 1_000_000);
  expect(families.othersLostThrough).toBeGreaterThan(PREFIXES_MAX / 20);
  expect(families.othersLostThrough).toBeLessThan(PREFIXES_MAX / 5);
  expect([
    families.lostThrough('f1'),
    families.lostThrough('f9000'),
    families.lostThrough('last'),
    families.lostThrough('*.x'),
  ]).toEqual([families.othersLostThrough, 9_000, 1_000_000, 1_000_000]);
});

test('the prefix is the first token', () => {
  expect(['a', 'a.b', 'a.b.c', 'a.>', '>', '*.a'].map(prefixOf)).toEqual(['a', 'a', 'a', 'a', '>', '*']);
});
