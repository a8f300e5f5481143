import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Families, familyOf } from './families.ts';
import { FAMILIES_MAX } from './limits.ts';

test('no loss is forgotten, whatever is folded and whenever it is written down and read again', () => {
  const losses = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 1, max: 100 })));
  fc.assert(
    fc.property(losses, fc.integer({ min: 0, max: 60 }), (raised, rest) => {
      const families = new Families();
      const follower = new Families();
      for (const [family, through] of raised) families.raise(`f${family}`, through);
      families.foldThrough(rest);
      // In any order, as rows of a table are.
      for (const [family, through] of raised.toReversed()) follower.raise(`f${family}`, through);
      follower.foldThrough(rest);
      for (const [family, through] of raised) {
        expect(families.through(`f${family}.x`)).toBeGreaterThanOrEqual(through);
        expect(families.through('>')).toBeGreaterThanOrEqual(through);
        expect(follower.through(`f${family}.>`)).toBe(families.through(`f${family}`));
      }
      expect(families.through('unknown.x')).toBe(rest);
    }),
  );
});

test('as many as there may be are known one by one; one more folds those that lost the oldest', () => {
  const families = new Families();
  for (let index = 1; index <= FAMILIES_MAX; index++) families.raise(`f${index}`, index);
  expect([families.rest, families.through('f1'), families.through('unknown')]).toEqual([0, 1, 0]);
  families.raise('last', 1_000_000);
  expect(families.rest).toBeGreaterThan(FAMILIES_MAX / 20);
  expect(families.rest).toBeLessThan(FAMILIES_MAX / 5);
  expect([
    families.through('f1'),
    families.through('f9000'),
    families.through('last'),
    families.through('*.x'),
  ]).toEqual([families.rest, 9_000, 1_000_000, 1_000_000]);
});

test('the family is the first token', () => {
  expect(['a', 'a.b', 'a.b.c', 'a.>', '>', '*.a'].map(familyOf)).toEqual(['a', 'a', 'a', 'a', '>', '*']);
});
