import fc from 'fast-check';
import { expect, test } from 'vitest';
import { groupMarks, widthOf } from './marks.ts';

const group = (places: readonly number[], stripWidth = 400): number[][] =>
  groupMarks(places, stripWidth, (centerPx) => centerPx).map(({ items }) => [...items]);

test('marks with enough space are not grouped', () => {
  expect(group([40, 70, 200])).toEqual([[40], [70], [200]]);
});

test('marks that would overlap are grouped', () => {
  expect(group([40, 60, 200])).toEqual([[40, 60], [200]]);
});

test('a group that grows over the mark before it includes that mark', () => {
  expect(group([40, 67, 80])).toEqual([[40, 67, 80]]);
});

test('a mark at either end of the strip is fully visible', () => {
  expect(groupMarks([0, 400], 400, (centerPx) => centerPx).map(({ centerPx }) => centerPx)).toEqual([13, 387]);
});

test('for random marks, no two groups overlap, none is lost, and their order stays', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 200, max: 900 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 7 }),
      (stripWidth, shares) => {
        const places = shares.map((share) => share * stripWidth).toSorted((one, other) => one - other);
        const groups = groupMarks(places, stripWidth, (centerPx) => centerPx);
        expect(groups.flatMap(({ items }) => items)).toEqual(places);
        groups.forEach(({ centerPx, items }, index) => {
          const next = groups[index + 1];
          expect(centerPx - widthOf(items) / 2).toBeGreaterThanOrEqual(0);
          expect(centerPx + widthOf(items) / 2).toBeLessThanOrEqual(stripWidth);
          if (next === undefined) return;
          expect(next.centerPx - centerPx).toBeGreaterThanOrEqual((widthOf(items) + widthOf(next.items)) / 2);
        });
      },
    ),
  );
});
