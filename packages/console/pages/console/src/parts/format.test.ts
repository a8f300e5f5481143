import { expect, test } from 'vitest';
import { jsonLine, jsonText } from './format.ts';

test('characters that change the direction of text are escaped, and the JSON stays the same value', () => {
  const value = { name: 'abc\u202Edcba\u202C', word: 'مرحبا', family: '👩‍👧' };
  const text = jsonText(value);
  expect(text).toBe(String.raw`{"name":"abc\u202edcba\u202c","word":"مرحبا","family":"👩‍👧"}`);
  expect(JSON.parse(text)).toEqual(value);
  expect(jsonLine({ name: '\u2067' }, 100)).toBe(String.raw`{"name":"\u2067"}`);
});
