import { isPattern, matches, PATTERN_STARS_MAX, PATTERN_TOKENS_MAX } from '@polycast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PatternIndex } from './pattern-index.ts';

const token = fc.constantFrom('a', 'b', 'c');
const channel = fc.array(token, { minLength: 1, maxLength: 7 }).map((tokens) => tokens.join('.'));
const pattern = fc
  .tuple(
    fc.array(fc.oneof({ weight: 3, arbitrary: token }, { weight: 1, arbitrary: fc.constant('*') }), { maxLength: 6 }),
    fc.constantFrom('a', '*', '>'),
  )
  .map(([tokens, last]) => [...tokens, last].join('.'));

test('finds exactly the entries whose patterns cover the channel, after any changes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(pattern, fc.boolean()), { maxLength: 30 }),
      fc.array(channel, { minLength: 1, maxLength: 10 }),
      (changes, channels) => {
        const index = new PatternIndex<number>();
        const present = new Map<number, string>();
        for (const [number, [each, removed]] of changes.entries()) {
          index.add(each, number);
          present.set(number, each);
          if (!removed) continue;
          const [victim] = [...present.keys()];
          index.remove(present.get(victim as number) as string, victim as number);
          present.delete(victim as number);
        }
        for (const name of channels) {
          const found: number[] = [];
          index.match(name, (number) => found.push(number));
          const expected = [...present].filter(([, each]) => matches(each, name)).map(([number]) => number);
          expect(found.toSorted((a, b) => a - b)).toEqual(expected.toSorted((a, b) => a - b));
        }
      },
    ),
  );
});

test('removing an absent pattern changes nothing', () => {
  const index = new PatternIndex<string>();
  for (const each of ['a', 'a.*', 'a.>', '*.*']) index.remove(each, 'x');
  const found: string[] = [];
  index.match('a.b', (interest) => found.push(interest));
  expect(found).toEqual([]);
});

test('a trie whose entries are all removed, in any order, is empty, and never has a superfluous node', () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 40 }), fc.infiniteStream(fc.nat()), (patterns, choices) => {
      const index = new PatternIndex<number>();
      const left = patterns.map((each, number) => [each, number] as const);
      for (const [each, number] of left) index.add(each, number);
      while (left.length > 0) {
        const ends = new Set(left.filter(([each]) => /[*>]/.test(each)).map(([each]) => each));
        // Each end of a pattern is a node, and so is each branch. There are fewer branches than
        // ends.
        expect(index.size).toBeLessThanOrEqual(Math.max(1, 2 * ends.size));
        const [[each, number] = ['', 0]] = left.splice(choices.next().value % left.length, 1);
        index.remove(each, number);
      }
      expect(index.size).toBe(1);
    }),
    { numRuns: 200 },
  );
});

test('a match visits the branches of the channel, not all patterns', () => {
  const index = new PatternIndex<number>();
  for (let number = 0; number < 100_000; number++) index.add(`users.${number}.*`, number);
  let found = 0;
  for (let number = 0; number < 1000; number++) index.match(`users.${number}.news`, () => found++);
  expect(found).toBe(1000);
  // The root, `users`, and `N.*`.
  expect(index.visits).toBe(3000);
});

test('a chain of tokens without a branch is one node', () => {
  const index = new PatternIndex<number>();
  const deep = Array.from({ length: 14 }, (_, at) => `t${at}`).join('.');
  for (let number = 0; number < 1000; number++) index.add(`n${number}.*.${deep}`, number);
  expect(index.size).toBe(1001);
});

test('the patterns of one client that all cover a channel cost a publish at most 20,000 visits', () => {
  const index = new PatternIndex<number>();
  const channel = Array.from({ length: PATTERN_TOKENS_MAX }, () => 'a');
  const name = (stars: readonly number[], length: number, end: readonly string[]): string =>
    [...channel.slice(0, length).map((each, at) => (stars.includes(at) ? '*' : each)), ...end].join('.');
  let count = 0;
  const addAll = (stars: readonly number[], from: number): void => {
    for (let length = Math.max(1, from); length < PATTERN_TOKENS_MAX; length++)
      index.add(name(stars, length, ['>']), count++);
    index.add(name(stars, PATTERN_TOKENS_MAX, []), count++);
    if (stars.length === PATTERN_STARS_MAX) return;
    for (let at = from; at < PATTERN_TOKENS_MAX; at++) addAll([...stars, at], at + 1);
  };
  addAll([], 0);
  let found = 0;
  index.match(channel.join('.'), () => found++);
  // The count includes the channel's own name, which has no wildcard.
  expect(found).toBe(count);
  expect(index.visits).toBeLessThan(20_000);
  expect(isPattern(name([0, 1, 2, 3, 4], PATTERN_TOKENS_MAX, []))).toBe(false);
});
