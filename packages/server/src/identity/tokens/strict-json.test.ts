import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseStrictObject } from './strict-json.ts';

/**
 * Without backslashes in names: where this runtime's `JSON.parse` has seen the name `\` before, and expects it again, it takes any
 * name that begins with an escape for it.
 */
const json = fc.jsonValue({ maxDepth: 6 }).map(withoutBackslashes);
const objects = fc
  .dictionary(fc.string({ unit: 'grapheme' }), json, { noNullPrototype: true })
  .map((object) => withoutBackslashes(object) as Record<string, unknown>);

test('any object comes back as it was', () => {
  fc.assert(
    fc.property(objects, fc.constantFrom(undefined, 2), (object, indent) => {
      expect(parseStrictObject(Buffer.from(JSON.stringify(object, undefined, indent)))).toEqual(
        JSON.parse(JSON.stringify(object)),
      );
    }),
  );
});

test('a member that is given twice, wherever it stands and however it is written, is refused', () => {
  fc.assert(
    fc.property(
      objects,
      fc.string({ minLength: 1 }).filter((name) => !name.includes('\\')),
      json,
      json,
      fc.nat(3),
      (object, name, one, other, depth) => {
        const escaped = `"${units(name)}"`;
        const twice = `{${JSON.stringify(name)}:${JSON.stringify(one)},${escaped}:${JSON.stringify(other)}}`;
        const inside = `${'['.repeat(depth)}${twice}${']'.repeat(depth)}`;
        const text = JSON.stringify({ ...object, marker: 0 }).replace(/"marker":0/, () => `"marker":${inside}`);
        expect(parseStrictObject(Buffer.from(text))).toBeUndefined();
        expect(parseStrictObject(Buffer.from(twice))).toBeUndefined();
      },
    ),
  );
});

test('no bytes make it throw', () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void parseStrictObject(Buffer.from(bytes))));
  fc.assert(
    fc.property(fc.array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', '1', 'a', ' ')), (pieces) => {
      void parseStrictObject(Buffer.from(pieces.join('')));
    }),
  );
});

test.each([
  ['__proto__', '{"__proto__":{"admin":true}}'],
  ['a colon and braces in a string', String.raw`{"a":":{}[]\":","b\"":"\\"}`],
])('%s is nothing special', (_what, text) => {
  const parsed = parseStrictObject(Buffer.from(text));
  expect(JSON.stringify(parsed)).toBe(text);
  expect((parsed as { admin?: unknown }).admin).toBeUndefined();
});

test('as deep as 16 is taken, deeper is not', () => {
  const nested = (depth: number): Buffer => Buffer.from(`{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`);
  expect(parseStrictObject(nested(16))).toBeDefined();
  expect(parseStrictObject(nested(17))).toBeUndefined();
});

function withoutBackslashes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replaceAll('\\\\', '/'));
}

function units(text: string): string {
  return Array.from(
    { length: text.length },
    (_, index) => String.raw`\u` + text.charCodeAt(index).toString(16).padStart(4, '0'),
  ).join('');
}
