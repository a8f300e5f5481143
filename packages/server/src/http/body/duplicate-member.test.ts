import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkUniqueMembers } from './duplicate-member.ts';

test.each([
  ['{"a":1,"a":2}', 'a'],
  ['{"a":1,"b":{"c":1,"d":[{"x":1,"y":2,"x":3}]}}', 'x'],
  ['{"a" : 1 , "\\u0061"\n:2}', 'a'],
  ['{"__proto__":1,"__proto__":2}', '__proto__'],
  [`{"${'a'.repeat(100)}":1,"${'a'.repeat(100)}":1}`, 'a'.repeat(64)],
])('%s has a member twice', (json, member) => {
  const error = expect.objectContaining({ code: 'duplicate_member', extensions: { member } });
  expect(() => checkUniqueMembers(json)).toThrow(error);
});

test.each([
  '',
  '1',
  '{}',
  '[":",":"]',
  '{"a":"a\\"","b":":"}',
  '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}',
  '{"a":"\\\\","b":"a"}',
])('%s has no member twice', (json) => expect(() => checkUniqueMembers(json)).not.toThrow());

test('a text of JSON.stringify never has a member twice', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom('', '\n '), (value, space) =>
      checkUniqueMembers(JSON.stringify(value, undefined, space)),
    ),
  );
});
