import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkIdempotencyKey, checkType, scanEnvelope, type Envelope } from './envelope.ts';
import { JsonScanner } from './json-scanner.ts';

const scanner = new JsonScanner();

function read(text: string, alsoAllowed?: ReadonlySet<string>): Envelope {
  scanner.reset(text);
  return scanEnvelope(scanner, alsoAllowed);
}

/** A string as JSON, with or without escapes. */
const written = (text: string, escaped: boolean): string =>
  escaped
    ? `"${[...text].map((each) => [...Array(each.length).keys()].map((at) => `\\u${each.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')).join('')}"`
    : JSON.stringify(text);

describe('an envelope (PROTOCOL.md section 8.1)', () => {
  it('is read in any order of members, with any whitespace and any escapes', () => {
    const members = fc.record(
      {
        channel: fc.constantFrom('a', 'a.b-C_9'),
        type: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
        idempotencyKey: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
        ifMatch: fc.string({ unit: 'grapheme', maxLength: 20 }),
        data: fc.jsonValue(),
      },
      { requiredKeys: ['data'] },
    );
    const space = fc.constantFrom('', ' ', '\n\t', '\r\n  ');
    fc.assert(
      fc.property(
        members,
        fc.infiniteStream(fc.boolean()),
        fc.infiniteStream(space),
        fc.nat(),
        (values, escapes, spaces, turn) => {
          const gap = (): string => spaces.next().value;
          const pairs = Object.entries(values).map(
            ([name, value]) =>
              `${gap()}${written(name, escapes.next().value)}${gap()}:${gap()}${name === 'data' ? JSON.stringify(value) : written(value as string, escapes.next().value)}${gap()}`,
          );
          const turned = [...pairs.slice(turn % pairs.length), ...pairs.slice(0, turn % pairs.length)];
          const { data, ...rest } = values;
          const envelope = read(`${gap()}{${turned.join(',')}} rest`);
          expect(envelope).toEqual({
            channel: undefined,
            type: undefined,
            idempotencyKey: undefined,
            ifMatch: undefined,
            ...rest,
            data: JSON.stringify(data),
          });
          expect(scanner.text.slice(scanner.index)).toBe(' rest');
        },
      ),
    );
  });

  it('keeps its data character for character, except line breaks between tokens', () => {
    const texts = ['-0', '1e400', '12345678901234567890', '"\\ud800\\u0041"', '{"a":1,"a":2}', '[ 1 ,\t2 ]'];
    for (const text of texts) expect(read(`{"data":${text}}`).data).toBe(text);
    expect(read('{"data": [1,\r\n   {"a":\n"\\n"}\n]\n}').data).toBe('[1,{"a":"\\n"}]');
  });

  it.each([
    ['', 'invalid_json'],
    ['{', 'invalid_json'],
    ['{"data":1', 'invalid_json'],
    ['{"data":1,}', 'invalid_json'],
    ['{"data" 1}', 'invalid_json'],
    ['{data:1}', 'invalid_json'],
    ['{"data":01}', 'invalid_json'],
    ['{"channel":"a\n","data":1}', 'invalid_json'],
    ['[]', 'invalid_event'],
    ['"text"', 'invalid_event'],
    ['nul', 'invalid_json'],
    ['{}', 'invalid_event'],
    ['{"channel":"a"}', 'invalid_event'],
    ['{"data":1,"more":2}', 'invalid_event'],
    ['{"data":1,"__proto__":2}', 'invalid_event'],
    ['{"data":1,"op":"publish"}', 'invalid_event'],
    ['{"data":1,"data":1}', 'duplicate_member'],
    ['{"type":"a","\\u0074ype":"b","data":1}', 'duplicate_member'],
    ['{"channel":"","data":1}', 'invalid_channel'],
    ['{"channel":"a.*","data":1}', 'invalid_channel'],
    ['{"channel":null,"data":1}', 'invalid_event'],
    ['{"type":5,"data":1}', 'invalid_event'],
    ['{"type":"","data":1}', 'invalid_event'],
    ['{"type":"\\udc00","data":1}', 'invalid_event'],
    ['{"idempotencyKey":"","data":1}', 'invalid_event'],
    ['{"ifMatch":{},"data":1}', 'invalid_event'],
    [`{"data":${'['.repeat(129)}${']'.repeat(129)}}`, 'json_too_deep'],
    [`{"data":1,"type":${'['.repeat(129)}}`, 'json_too_deep'],
  ])('%j is refused as %s', (text, code) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code }));
  });

  it('accepts each member of a message beside it, once each', () => {
    const also = new Set(['op', 'ref']);
    expect(read('{"op":"publish","ref":{"any":[1]},"data":1}', also).data).toBe('1');
    expect(() => read('{"op":1,"op":2,"data":1}', also)).toThrow(expect.objectContaining({ code: 'duplicate_member' }));
  });

  it('agrees with JSON.parse on which texts are valid JSON', () => {
    const damaged = fc
      .tuple(
        fc.constantFrom('{"channel":"a","data":{"b":[1,"c"]}}', '{"data":"\\u00e9","type":"t"}'),
        fc.nat(),
        fc.constantFrom('', '"', '\\', '{', '}', ',', ':', '0', '\n', 'é', '\u0000'),
        fc.boolean(),
      )
      .map(([text, at, piece, replaces]) => {
        const index = at % (text.length + 1);
        return text.slice(0, index) + piece + text.slice(index + (replaces ? 1 : 0));
      });
    fc.assert(
      fc.property(damaged, (text) => {
        const isJson = parses(text);
        let code = '';
        try {
          read(text);
          if (!scanner.atEnd()) code = 'invalid_json';
        } catch (error) {
          ({ code } = error as { code: string });
        }
        if (!isJson) expect(code).not.toBe('');
        if (isJson) expect(code).not.toBe('invalid_json');
      }),
      { numRuns: 3000 },
    );
  });
});

describe('types and keys', () => {
  it('have limited lengths', () => {
    expect(checkType('t'.repeat(200))).toHaveLength(200);
    expect(checkIdempotencyKey('k'.repeat(255))).toHaveLength(255);
    for (const step of [
      () => checkType(''),
      () => checkType('t'.repeat(201)),
      () => checkIdempotencyKey(''),
      () => checkIdempotencyKey('k'.repeat(256)),
    ]) {
      expect(step).toThrow(expect.objectContaining({ code: 'invalid_event' }));
    }
  });
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
