import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isMediaType, writableMediaType } from './media-type.ts';

test.each([
  'text/plain',
  'text/plain; charset=utf-8',
  'text/plain;charset="utf-8"',
  'application/vnd.api+json; profile="a \\" b"; q=1',
  'application/x;',
  `a/b; c=${'x'.repeat(248)}`,
])('a media type: %s', (text) => {
  expect(isMediaType(text)).toBe(true);
});

test.each([
  ['', 'nothing'],
  ['text', 'no subtype'],
  ['text/plain\nX: y', 'a line break'],
  ['text/plain\r\nX: y', 'a line break as HTTP has it'],
  ['text/plain; a="\n"', 'a line break in quotes'],
  ['text/plain\0', 'a NUL'],
  ['text/plän', 'beyond ASCII'],
  ['text/plain; a=ž', 'beyond Latin-1'],
  ['text/plain, text/html', 'two'],
  ['text/ plain', 'a space'],
  [`a/b; c=${'x'.repeat(249)}`, 'too long'],
])('%j is invalid: %s', (text) => {
  expect(isMediaType(text)).toBe(false);
  expect(writableMediaType(text)).toBe('application/octet-stream');
});

test('a written media type is printable ASCII, and repetitive text is checked in linear time', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      expect(writableMediaType(`text/plain${text}`)).toMatch(/^[\t\x20-\x7e]{1,255}$/);
    }),
  );
  expect(isMediaType(`a/b${'; '.repeat(126)}`)).toBe(true);
  expect(isMediaType(`a/b${'; '.repeat(125)}\n`)).toBe(false);
  expect(isMediaType(`a/b; c="${'\\"'.repeat(120)}`)).toBe(false);
});
