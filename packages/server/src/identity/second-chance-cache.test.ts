import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SecondChanceCache } from './second-chance-cache.ts';

const name = fc.constantFrom(...'abcdef');
const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('set' as const), name, value: fc.nat() }),
    fc.record({ do: fc.constantFrom('get' as const, 'delete' as const), name }),
  ),
  { maxLength: 100, size: 'max' },
);

test('it is a map of bounded size, which an entry leaves when it was not used since it was last the newest', () => {
  fc.assert(
    fc.property(fc.nat(4), steps, (countMax, list) => {
      const cache = new SecondChanceCache<number>(countMax);
      // A Map has its entries in the order of insertion.
      const model = new Map<string, { value: number; isUsed: boolean }>();
      for (const one of list) {
        const before = model.get(one.name);
        if (one.do === 'get') {
          expect(cache.get(one.name)).toBe(before?.value);
          if (before !== undefined) before.isUsed = true;
        } else model.delete(one.name);
        if (one.do === 'delete') cache.delete(one.name);
        if (one.do === 'set') {
          const gone = model.size < countMax ? [] : [countMax === 0 ? one.value : evictedFrom(model)];
          if (countMax > 0) model.set(one.name, { value: one.value, isUsed: false });
          expect(cache.set(one.name, one.value)).toEqual(gone);
        }
        expect(cache.size).toBe(model.size);
      }
      for (const [each, { value }] of model) expect(cache.get(each)).toBe(value);
    }),
  );
});

/** Removes the first entry without a mark. The marked ones before it become the last, unmarked. */
function evictedFrom(model: Map<string, { value: number; isUsed: boolean }>): number {
  for (const [each, { value, isUsed }] of model) {
    model.delete(each);
    if (!isUsed) return value;
    model.set(each, { value, isUsed: false });
  }
  throw new Error('the model is empty');
}

test('an eviction from a cache whose entries are all in use is bounded', () => {
  const cache = new SecondChanceCache<number>(1000);
  for (let number = 0; number < 1000; number++) cache.set(`${number}`, number);
  for (let number = 0; number < 1000; number++) cache.get(`${number}`);
  // A hundred have a second chance.
  expect(cache.set('new', 1000)).toEqual([100]);
  expect(cache.get('0')).toBe(0);
});

test('the cache is bounded in bytes as well, and an entry larger than the limit evicts all others', () => {
  const cache = new SecondChanceCache<number>(100, 1000);
  for (let number = 0; number < 50; number++) cache.set(`${number}`, number, 300);
  expect([cache.size, cache.bytes, cache.get('49'), cache.get('46')]).toEqual([3, 900, 49, undefined]);
  expect(cache.set('50', 50, 300)).toEqual([47]);
  expect(cache.set('51', 51, 300)).toEqual([48]);
  expect(cache.set('long', 0, 2000)).toEqual([50, 51, 49, 0]);
  expect([cache.size, cache.bytes]).toEqual([0, 0]);
});
