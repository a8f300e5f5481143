import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseStrictObject } from './strict-json.ts';

const json = fc.jsonValue({ maxDepth: 6 }).map(withPlainNames);
const objects = fc
  .dictionary(fc.string({ unit: 'grapheme' }), json, { noNullPrototype: true })
  .map((object) => withPlainNames(object) as Record<string, unknown>);

test('any object is returned unchanged', () => {
  fc.assert(
    fc.property(objects, fc.constantFrom(undefined, 2), (object, indent) => {
      expect(parseStrictObject(Buffer.from(JSON.stringify(object, undefined, indent)))).toEqual(
        JSON.parse(JSON.stringify(object)),
      );
    }),
  );
});

test('a duplicate member is refused, at any depth and in any spelling', () => {
  fc.assert(
    fc.property(
      objects,
      fc.string({ minLength: 1 }).filter((name) => !isEscapedAtFirst(name)),
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

test('random bytes cause no exception', () => {
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
])('%s is an ordinary member', (_what, text) => {
  const parsed = parseStrictObject(Buffer.from(text));
  expect(JSON.stringify(parsed)).toBe(text);
  expect((parsed as { admin?: unknown }).admin).toBeUndefined();
});

test('a name that begins with an escape is refused: `JSON.parse` may read it wrongly after other texts', () => {
  JSON.parse(String.raw`{"\\":1}`);
  for (const text of [String.raw`{"\u0061":1}`, String.raw`{"a":1,"\u0061":2}`, String.raw`{"a":[{"\"":1}]}`])
    expect(parseStrictObject(Buffer.from(text))).toBeUndefined();
  expect(parseStrictObject(Buffer.from(String.raw`{"a\u0062":"\u0061"}`))).toEqual({ ab: 'a' });
});

test('a depth of 16 is accepted, a greater one is refused', () => {
  const nested = (depth: number): Buffer => Buffer.from(`{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`);
  expect(parseStrictObject(nested(16))).toBeDefined();
  expect(parseStrictObject(nested(17))).toBeUndefined();
});

/** Copies a value, with a dot before each name that begins with an escape in JSON. */
function withPlainNames(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withPlainNames);
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [isEscapedAtFirst(name) ? `.${name}` : name, withPlainNames(each)]),
  );
}

function isEscapedAtFirst(name: string): boolean {
  return JSON.stringify(name)[1] === '\\';
}

function units(text: string): string {
  return Array.from(
    { length: text.length },
    (_, index) => String.raw`\u` + text.charCodeAt(index).toString(16).padStart(4, '0'),
  ).join('');
}
