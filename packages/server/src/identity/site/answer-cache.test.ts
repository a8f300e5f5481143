import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AnswerCache } from './answer-cache.ts';

const ENTRIES_MAX = 4;
const GRACE_MS = 50;

type Step =
  | { readonly do: 'set'; readonly key: string; readonly user: string | undefined; readonly lifeMs: number }
  | { readonly do: 'get' | 'delete'; readonly key: string }
  | { readonly do: 'forget'; readonly user: string }
  | { readonly do: 'pass'; readonly ms: number };

const key = fc.constantFrom(...'abcdefgh');
const user = fc.constantFrom('1', '2', '3');
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('set' as const), key, user: fc.option(user, { nil: undefined }), lifeMs: fc.nat(100) }),
    fc.record({ do: fc.constantFrom('get' as const, 'delete' as const), key }),
    fc.record({ do: fc.constant('forget' as const), user }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.nat(60) }),
  ),
  { maxLength: 100, size: 'max' },
);

test('with any requests: it never exceeds its limit or the grace period, and returns no dropped or wrong answer', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const cache = new AnswerCache<number>(ENTRIES_MAX, GRACE_MS);
      const model = new Map<string, { user: string | undefined; value: number; endMs: number }>();
      let nowMs = 0;
      let value = 0;
      for (const one of list) {
        if (one.do === 'pass') nowMs += one.ms;
        if (one.do === 'set') {
          cache.set(one.key, one.user, ++value, nowMs + one.lifeMs);
          model.set(one.key, { user: one.user, value, endMs: nowMs + one.lifeMs + GRACE_MS });
          expect(cache.get(one.key, nowMs)?.value).toBe(value);
        }
        if (one.do === 'get') {
          const known = model.get(one.key);
          const got = cache.get(one.key, nowMs);
          if (got !== undefined) expect(got.value).toBe(known?.value);
          if (known === undefined || nowMs >= known.endMs) expect(got).toBeUndefined();
        }
        if (one.do === 'delete') {
          cache.delete(one.key);
          model.delete(one.key);
        }
        if (one.do === 'forget') {
          cache.forget(one.user);
          for (const [name, known] of model) if (known.user === one.user) model.delete(name);
        }
        expect(cache.size).toBeLessThanOrEqual(ENTRIES_MAX);
        for (const name of 'abcdefgh') if (!model.has(name)) expect(cache.get(name, nowMs)).toBeUndefined();
      }
    }),
  );
});

test('a new entry evicts those that were not used recently', () => {
  const cache = new AnswerCache<string>(3, 0);
  for (const name of ['a', 'b', 'c']) cache.set(name, name, name, 1000);
  cache.get('a', 0);
  cache.set('d', 'd', 'd', 1000);
  expect(['a', 'b', 'c', 'd'].map((name) => cache.get(name, 0)?.value)).toEqual(['a', undefined, 'c', 'd']);
});

test('all answers about one user are dropped at once, and no others', () => {
  const cache = new AnswerCache<string>(10, 0);
  for (const name of ['a', 'b', 'c']) cache.set(name, '7', name, 1000);
  cache.set('d', '8', 'd', 1000);
  cache.delete('b');
  cache.forget('7');
  expect(cache.size).toBe(1);
  expect(cache.get('d', 0)?.value).toBe('d');
  cache.forget('nobody');
});
