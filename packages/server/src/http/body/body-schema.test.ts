import { PolycastError } from '@polycast/protocol';
import { expect, test } from 'vitest';
import { z } from 'zod';
import {
  checkedBy,
  explainingUnknown,
  integer,
  oneOf,
  orDefault,
  parseBody,
  refuse,
  requiring,
  withoutProto,
} from './body-schema.ts';

test('a refusal of the schema itself is shown, also where its member is absent', () => {
  const schema = z
    .strictObject({ after: z.string().exactOptional(), since: z.string().exactOptional() })
    .check((context) => {
      if (Object.keys(context.value).length !== 1) refuse(context, 'or "since" is required, and not both', ['after']);
    });
  expect(parseBody(schema, { since: 'now' })).toEqual({ since: 'now' });
  expect(() => parseBody(schema, {})).toThrow('"after" or "since" is required, and not both.');
  expect(() => parseBody(schema, { after: 'now', since: 'now' })).toThrow('"after" or "since" is required');
});

test('a value may have an error of its own, in place of a text', () => {
  const channel = checkedBy(z.string(), (value) => {
    if (typeof value !== 'string') return 'must be a channel';
    return value === 'a..b' ? new PolycastError('invalid_pattern') : undefined;
  });
  const schema = z.strictObject({ channels: requiring(z.array(channel), 'must be a list').exactOptional(), channel });
  expect(() => parseBody(schema, { channel: 7 })).toThrow('"channel" must be a channel.');
  expect(() => parseBody(schema, { channel: 'a..b' })).toThrow(new PolycastError('invalid_pattern'));
  expect(() => parseBody(schema, { channel: 'a', channels: ['a..b'] })).toThrow('"channels" must be a list.');
});

test('an unknown member with a reason of its own goes before the others, also in an optional object', () => {
  const pull = explainingUnknown(z.strictObject({ lease: integer(1, 5).exactOptional() }), { url: 'is for webhooks' });
  const schema = z.strictObject({ delivery: pull.exactOptional() });
  expect(() => parseBody(schema, { delivery: { x: 1, url: 1 } })).toThrow('"delivery.url" is for webhooks.');
  expect(() => parseBody(schema, { delivery: { x: 1 } })).toThrow('"delivery.x" is unknown.');
  expect(() => parseBody(schema, { delivery: JSON.parse('{"__proto__":1}') })).toThrow(
    '"delivery.__proto__" is unknown.',
  );
});

test('null selects the default, and other values keep the text of the schema', () => {
  const schema = z.strictObject({ count: orDefault(integer(1, 5), 3).exactOptional() });
  expect(parseBody(schema, {})).toEqual({});
  expect(parseBody(schema, { count: null })).toEqual({ count: 3 });
  expect(parseBody(schema, { count: 4 })).toEqual({ count: 4 });
  expect(() => parseBody(schema, { count: 6 })).toThrow('"count" must be a whole number from 1 to 5.');
});

test('a record refuses the name __proto__ instead of dropping it', () => {
  const record = requiring(z.record(z.string(), z.string()), 'must be an object of texts');
  const schema = z.strictObject({ metadata: withoutProto(record, 'may not have the name __proto__') });
  expect(parseBody(schema, { metadata: { a: 'b' } })).toEqual({ metadata: { a: 'b' } });
  expect(() => parseBody(schema, { metadata: JSON.parse('{"__proto__":"x"}') })).toThrow(
    '"metadata" may not have the name __proto__.',
  );
  expect(() => parseBody(schema, { metadata: { a: 1 } })).toThrow('"metadata" must be an object of texts.');
});

test('a refusal can name members in its own way', () => {
  const schema = z.strictObject({ 'hub.mode': oneOf('subscribe', 'publish') });
  const refused = (member: string, reason: string): PolycastError =>
    new PolycastError('invalid_body', `${member} ${reason}!`, { member });
  expect(() => parseBody(schema, {}, refused)).toThrow('hub.mode is missing!');
  expect(() => parseBody(schema, { 'hub.mode': 'x' }, refused)).toThrow('hub.mode must be subscribe or publish!');
});
