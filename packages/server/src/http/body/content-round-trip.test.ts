import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acceptedEncoding } from './compress.ts';
import { isJson, isText, parseMediaType, type MediaType } from './media-type.ts';
import { OriginPolicy } from '../origin/origin-policy.ts';
import { eventContent } from '../../publishing/publish-content.ts';
import { storedContent } from '../../streams/stored-content.ts';

/**
 * A body of any media type becomes members of an event, and these become the body again
 * (PROTOCOL.md sections 8.3 and 10.1).
 */
const mediaType = fc.constantFrom(
  'application/json',
  'text/plain',
  'text/plain; charset=utf-8',
  'text/html;charset="UTF-8"',
  'text/plain; charset=latin1',
  'image/png',
  'application/x-www-form-urlencoded',
  'application/problem+json',
  'image/svg+xml',
  undefined,
);

test('data is returned byte for byte as it was published', () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({ unit: 'grapheme' }).map((text) => Buffer.from(text)),
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value))),
  );
  fc.assert(
    fc.property(mediaType, body, (type, bytes) => {
      let content: string;
      try {
        content = eventContent(Buffer.from(bytes), type);
      } catch (error) {
        expect((error as { code: string }).code).toMatch(/^invalid_(?:json|utf8)$/);
        return;
      }
      const event = `"channel":"a","time":"t",${content}}`;
      expect(JSON.parse(`{${event}`)).toMatchObject({ channel: 'a' });
      const stored = storedContent(Buffer.from(event));
      expect(stored.mediaType).toBe(type ?? 'application/octet-stream');
      const [published, found] = [Buffer.from(bytes), Buffer.from(stored.bytes)];
      // White space around a JSON value is not stored.
      if (content.startsWith('"data":')) expect(JSON.parse(found.toString())).toEqual(JSON.parse(published.toString()));
      else expect(found.equals(published)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

describe('media types', () => {
  test.each([
    ['Application/JSON', { essence: 'application/json', charset: undefined }],
    [' text/plain ;  Charset="UTF-8" ; x=y', { essence: 'text/plain', charset: 'utf-8' }],
    ['text', undefined],
    ['text/', undefined],
    ['a b/c', undefined],
    ['', undefined],
  ])('%j', (header, expected) => expect(parseMediaType(header)).toEqual(expected));

  test.each([
    ['application/json', true, false],
    ['application/ld+json', true, false],
    ['text/csv', false, true],
    ['image/svg+xml', false, true],
    ['application/xml', false, true],
    ['text/plain; charset=shift_jis', false, false],
    ['image/png', false, false],
  ])('%s is JSON: %s, is text: %s', (header, json, text) => {
    const parsed = parseMediaType(header) as MediaType;
    expect([isJson(parsed), isText(parsed)]).toEqual([json, text]);
  });
});

test.each([
  [undefined, undefined],
  ['', undefined],
  ['gzip, deflate, br', 'br'],
  ['GZIP', 'gzip'],
  ['br;q=0, gzip;q=0.5', 'gzip'],
  ['br; q=0.000, gzip;q=0', undefined],
  ['identity', undefined],
  ['brotli', undefined],
])('for Accept-Encoding %j the coding is %s', (header, encoding) => expect(acceptedEncoding(header)).toBe(encoding));

describe('origins', () => {
  const request = (origin: string | undefined, host: string | undefined = 'hub:8080'): never =>
    ({ headers: { origin, host } }) as never;

  test.each([
    [[], undefined, true],
    [[], 'http://hub:8080', true],
    [[], 'http://HUB:8080', true],
    [[], 'http://hub', false],
    [[], 'https://shop.example', false],
    [[], 'null', false],
    [['https://shop.example'], 'https://shop.example', true],
    [['https://shop.example'], 'https://shop.example.evil', false],
    [['*'], 'null', true],
  ])('with the list %j, the origin %s is allowed: %s', (allowed, origin, may) =>
    expect(new OriginPolicy(allowed).allows(request(origin))).toBe(may),
  );

  test('only allowed origins receive the headers, and caches receive Vary', () => {
    expect(new OriginPolicy(['https://a.example']).corsHeaders(request('https://b.example'))).toEqual([
      'Vary',
      'Origin',
    ]);
    expect(new OriginPolicy(['https://a.example']).corsHeaders(request('https://a.example'))).toEqual(
      expect.arrayContaining(['Access-Control-Allow-Origin', 'https://a.example', 'Vary', 'Origin']),
    );
    expect(new OriginPolicy(['*']).corsHeaders(request('https://a.example'))).toEqual(
      expect.arrayContaining(['Access-Control-Allow-Origin', '*']),
    );
  });
});
