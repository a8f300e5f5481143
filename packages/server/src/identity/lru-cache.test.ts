import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LruCache } from './lru-cache.ts';

const name = fc.constantFrom(...'abcdef');
const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('set' as const), name, value: fc.nat() }),
    fc.record({ do: fc.constantFrom('get' as const, 'delete' as const), name }),
  ),
  { maxLength: 100, size: 'max' },
);

test('it is a map of the newest entries, in the order of their last use', () => {
  fc.assert(
    fc.property(fc.nat(4), steps, (countMax, list) => {
      const recent = new LruCache<number>(countMax);
      // A Map has its entries in the order of insertion.
      const model = new Map<string, number>();
      for (const one of list) {
        const before = model.get(one.name);
        if (one.do !== 'get' || before !== undefined) model.delete(one.name);
        if (one.do === 'get') {
          expect(recent.get(one.name)).toBe(before);
          if (before !== undefined) model.set(one.name, before);
        }
        if (one.do === 'delete') recent.delete(one.name);
        if (one.do === 'set') {
          model.set(one.name, one.value);
          const [oldest] = model;
          const gone = model.size > countMax ? oldest : undefined;
          if (gone !== undefined) model.delete(gone[0]);
          expect(recent.set(one.name, one.value)[0]).toBe(gone?.[1]);
        }
        expect(recent.size).toBe(model.size);
      }
      for (const [each, value] of model) expect(recent.get(each)).toBe(value);
    }),
  );
});

test('the cache is bounded in bytes as well, and an entry larger than the limit evicts all others', () => {
  const recent = new LruCache<number>(100, 1000);
  for (let number = 0; number < 50; number++) recent.set(`${number}`, number, 300);
  expect([recent.size, recent.bytes, recent.get('49'), recent.get('46')]).toEqual([3, 900, 49, undefined]);
  expect(recent.set('long', 0, 2000)).toEqual([47, 48, 49, 0]);
  expect([recent.size, recent.bytes]).toEqual([0, 0]);
});
