import { matches } from '@polycast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PatternSet } from './pattern-set.ts';
import { Interest, interestKey, sortedUnique } from './interest.ts';
import { event } from '../testing/feed-world.ts';

const token = fc.constantFrom('a', 'b', 'ab', 'a-b', '0', '_');
const channel = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'));
const pattern = fc
  .tuple(
    fc.array(fc.oneof({ weight: 2, arbitrary: token }, { weight: 1, arbitrary: fc.constant('*') }), {
      minLength: 1,
      maxLength: 4,
    }),
    fc.boolean(),
  )
  .map(([tokens, isOpen]) => (isOpen ? [...tokens.slice(1), '>'] : tokens).join('.'));

test('a few patterns, and many, cover every channel that one of them matches', () => {
  fc.assert(
    fc.property(
      fc.array(pattern, { size: 'max', maxLength: 20 }),
      fc.array(channel, { minLength: 1 }),
      (patterns, channels) => {
        const coverage = new PatternSet(patterns);
        for (const name of channels) expect(coverage.covers(name)).toBe(patterns.some((each) => matches(each, name)));
      },
    ),
    { numRuns: 500 },
  );
});

test('matches the events of its types that its patterns cover, except those of excluded channels', () => {
  const interest = new Interest('k', ['a.*', 'b'], ['x'], ['a.c'], 0);
  const isMatch = (name: string, type?: string): boolean => interest.matches({ ...event(name, type), position: 1 });
  expect([isMatch('a.b', 'x'), isMatch('b', 'x')]).toEqual([true, true]);
  expect([
    isMatch('a.c', 'x'),
    isMatch('a.b', 'y'),
    isMatch('a.b'),
    isMatch('c', 'x'),
    isMatch('a.b.c', 'x'),
  ]).not.toContain(true);
});

test('knows of new events only from its first position on, and while it is in the index', () => {
  const interest = new Interest('a', ['a'], undefined, [], 10);
  expect(interest.mayHaveNewEvents(10)).toBeUndefined();
  interest.isIndexed = true;
  expect([interest.mayHaveNewEvents(9), interest.mayHaveNewEvents(10)]).toEqual([undefined, false]);
  interest.lastMatched = 15;
  expect([interest.mayHaveNewEvents(14), interest.mayHaveNewEvents(15)]).toEqual([true, false]);
  interest.markQuiet(3, 9);
  expect(interest.mayHaveNewEvents(3)).toBeUndefined();
  interest.markQuiet(3, 10);
  expect([interest.mayHaveNewEvents(2), interest.mayHaveNewEvents(3)]).toEqual([undefined, true]);
  interest.isIndexed = false;
  expect([interest.mayHaveNewEvents(14), interest.mayHaveNewEvents(20)]).toEqual([undefined, undefined]);
});

test('equal interests have the same key, and different ones have different keys', () => {
  const options = fc.tuple(
    fc.array(pattern, { maxLength: 3 }),
    fc.option(fc.array(fc.string(), { maxLength: 2 }), { nil: undefined }),
    fc.array(pattern, { maxLength: 2 }),
  );
  fc.assert(
    fc.property(options, options, (one, other) => {
      const isEqual =
        JSON.stringify([one[0], one[1] ?? null, one[2]]) === JSON.stringify([other[0], other[1] ?? null, other[2]]);
      expect(interestKey(...one) === interestKey(...other)).toBe(isEqual);
    }),
  );
  expect(sortedUnique(['b', 'a', 'b'])).toEqual(['a', 'b']);
});
