import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBodyEncoder } from './body-encoder.ts';

test('bodies are UTF-8, of any size, and do not overlap', () => {
  const text = fc
    .tuple(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.integer({ min: 1, max: 2000 }))
    .map(([piece, times]) => piece.repeat(times));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 30 }), (texts) => {
      const encode = createBodyEncoder();
      const bodies = texts.map((each) => encode(each));
      expect(bodies.map(String)).toEqual(texts);
    }),
    { numRuns: 50 },
  );
});

test('a stored body keeps only its slab in memory', () => {
  const encode = createBodyEncoder();
  const bodies = Array.from({ length: 1000 }, (_, n) => {
    Buffer.from('x'.repeat(500));
    return encode(`"n":${n}`);
  });
  expect(new Set(bodies.map(({ buffer }) => buffer)).size).toBe(1);
});
