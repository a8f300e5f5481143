import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JSON_DEPTH_MAX, JsonScanner, withoutLineBreaks } from './json-scanner.ts';

const scanner = new JsonScanner();

function accepts(text: string): boolean {
  scanner.reset(text);
  return scanner.skipValue() && scanner.atEnd();
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('the JSON scanner', () => {
  it('accepts every JSON value in every layout, and finds its end', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 1, 2, '\t'), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        scanner.reset(text + ' ,rest');
        expect(scanner.skipValue()).toBe(true);
        expect(scanner.index).toBe(text.length);
      }),
    );
  });

  it('agrees with JSON.parse on damaged JSON', () => {
    const damaged = fc
      .tuple(
        fc.json(),
        fc.nat(),
        fc.constantFrom(
          '',
          '"',
          '\\',
          '{',
          '}',
          '[',
          ']',
          ',',
          ':',
          '0',
          '-',
          '.',
          'e',
          '\n',
          '\u0000',
          'é',
          '\\u12',
          ' ',
        ),
      )
      .map(([json, at, piece]) => {
        const index = at % (json.length + 1);
        return json.slice(0, index) + piece + json.slice(index + 1);
      });
    fc.assert(
      fc.property(damaged, (text) => {
        expect(accepts(text)).toBe(parses(text));
      }),
      { numRuns: 5000 },
    );
  });

  it.each([
    '01',
    '1.',
    '.5',
    '+1',
    '1e',
    '1e+',
    '-',
    '--1',
    'tru',
    'nulll',
    "'a'",
    '"\u0001"',
    '"\\x"',
    '"\\u00g0"',
    '[1,]',
    '{"a":1,}',
    '{,}',
    '{"a"}',
    '{1:2}',
    '',
    ' ',
    '\uFEFF1',
    '\u00a01',
    'NaN',
    'Infinity',
    '[',
    '{"a":',
  ])('refuses %j', (text) => {
    expect(accepts(text)).toBe(false);
    expect(parses(text)).toBe(false);
  });

  it.each(['-0', '12345678901234567890', '1e400', '"\\ud800"', '{"a":1,"a":2}', '{"__proto__":1}', '"\u2028"'])(
    'accepts %j',
    (text) => {
      expect(accepts(text)).toBe(true);
    },
  );

  it('accepts nesting up to its limit and no deeper', () => {
    expect(accepts('['.repeat(JSON_DEPTH_MAX) + ']'.repeat(JSON_DEPTH_MAX))).toBe(true);
    expect(accepts('['.repeat(JSON_DEPTH_MAX + 1) + ']'.repeat(JSON_DEPTH_MAX + 1))).toBe(false);
    expect(scanner.errorCode).toBe('json_too_deep');
    expect(accepts('{"a":'.repeat(1_000_000))).toBe(false);
    expect(scanner.errorCode).toBe('json_too_deep');
  });

  it('removes line breaks without changing the value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('\n', '\r\n', '\r'), (value, lineBreak) => {
        const text = JSON.stringify(value, undefined, 2).replaceAll('\n', lineBreak);
        const joined = withoutLineBreaks(text);
        expect(joined).not.toMatch(/[\r\n]/);
        expect(JSON.parse(joined)).toEqual(JSON.parse(text));
      }),
    );
  });
});
