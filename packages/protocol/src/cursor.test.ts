import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CURSOR_LENGTH, createEpoch, encodeCursor, parseCursor } from './cursor.ts';

const position = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const epoch = fc
  .tuple(fc.integer({ min: 1_767_225_600_000, max: 2_800_000_000_000 }), fc.double({ min: 0, max: 0.999, noNaN: true }))
  .map(([now, chance]) => createEpoch(now, chance));

describe('cursors (PROTOCOL.md section 2)', () => {
  it('round-trip, in 22 characters that are safe in a URL', () => {
    fc.assert(
      fc.property(epoch, position, (inEpoch, at) => {
        const text = encodeCursor(inEpoch, at);
        expect(text).toMatch(/^[0-9a-z-]{22}$/);
        expect(text.length).toBe(CURSOR_LENGTH);
        expect(parseCursor(text)).toEqual({ epoch: inEpoch, position: at });
      }),
    );
  });

  it('sort as text in the order of the log', () => {
    fc.assert(
      fc.property(epoch, position, position, (inEpoch, a, b) => {
        expect(encodeCursor(inEpoch, a) < encodeCursor(inEpoch, b)).toBe(a < b);
      }),
    );
  });

  it('sort a later epoch after an earlier one', () => {
    expect(createEpoch(1_800_000_000_000, 0.9) < createEpoch(1_800_000_000_001, 0.1)).toBe(true);
  });

  it('are refused in any other form', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (text) => {
        const cursor = parseCursor(text);
        if (cursor) expect(encodeCursor(cursor.epoch, cursor.position)).toBe(text);
      }),
    );
    for (const text of [
      '',
      'now',
      '0'.repeat(22),
      `${'0'.repeat(10)}-${'z'.repeat(11)}`,
      `${'0'.repeat(10)}-0000000000I`,
      `${'0'.repeat(10)}-0000000000é`,
    ]) {
      expect(parseCursor(text)).toBeUndefined();
    }
  });
});
