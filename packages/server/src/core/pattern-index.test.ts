import { matches } from '@polycast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PatternIndex } from './pattern-index.ts';

const token = fc.constantFrom('a', 'b', 'c');
const channel = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'));
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 3 }), fc.constantFrom('a', '*', '>'))
  .map(([tokens, last]) => [...tokens, last].join('.'));

test('finds exactly those whose patterns cover the channel, whatever was added and removed', () => {
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

test('what was never added is removed without a trace', () => {
  const index = new PatternIndex<string>();
  for (const each of ['a', 'a.*', 'a.>', '*.*']) index.remove(each, 'x');
  const found: string[] = [];
  index.match('a.b', (interest) => found.push(interest));
  expect(found).toEqual([]);
});

test('a match looks at the branches of the channel, not at all patterns', () => {
  const index = new PatternIndex<number>();
  for (let number = 0; number < 100_000; number++) index.add(`users.${number}.*`, number);
  const beganMs = performance.now();
  let found = 0;
  for (let number = 0; number < 30_000; number++) index.match(`users.${number}.news`, () => found++);
  expect(found).toBe(30_000);
  // Walking all of them each time would be three billion steps.
  expect(performance.now() - beganMs).toBeLessThan(8000);
});
