import { describe, expect, it } from 'vitest';
import { eventTypesOf } from '../event-schema.ts';
import { parseConfig } from '../parse.ts';

const ORDER = {
  name: 'order.created',
  schema: {
    type: 'object',
    required: ['total'],
    properties: { total: { type: 'integer' }, placed: { type: 'string', format: 'date-time' } },
    unevaluatedProperties: false,
  },
  sample: { total: 3 },
};

function problemsOf(...eventTypes: readonly object[]): string {
  try {
    parseConfig({ eventTypes });
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

function refusal(schema: object | boolean, data: unknown): string | undefined {
  const types = eventTypesOf(parseConfig({ eventTypes: [{ name: 'a', schema }] }).eventTypes);
  return types.refusal('schema', 'c', 'a', `"data":${JSON.stringify(data)}`)?.message;
}

describe('configured event types', () => {
  it('apply to all channels by default, and have the configured members', () => {
    const types = eventTypesOf(
      parseConfig({ eventTypes: [{ name: 'a' }, { ...ORDER, channels: ['orders.>'] }] }).eventTypes,
    );
    expect(types.all.map(({ name, channels, sample }) => [name, channels, sample])).toEqual([
      ['a', ['>'], undefined],
      ['order.created', ['orders.>'], '{"total":3}'],
    ]);
  });

  it('check data by JSON Schema 2020-12, formats included', () => {
    expect(refusal(ORDER.schema, { total: 1, placed: '2027-01-31T12:00:00Z' })).toBeUndefined();
    expect(refusal(ORDER.schema, {})).toBe("data must have required property 'total'.");
    expect(refusal(ORDER.schema, { total: 'x' })).toBe('data.total must be integer.');
    expect(refusal(ORDER.schema, { total: 1, placed: 'today' })).toBe('data.placed must match format "date-time".');
    expect(refusal(ORDER.schema, { total: 1, more: 1 })).toBe('data must NOT have unevaluated properties.');
  });

  it('check data by draft-07 if the schema names it', () => {
    const schema = {
      $schema: 'http://json-schema.org/draft-07/schema#',
      items: [{ type: 'string' }],
      additionalItems: false,
    };
    expect(refusal(schema, ['a'])).toBeUndefined();
    expect(refusal(schema, ['a', 'b'])).toMatch(/must NOT have more than 1 items/);
  });

  it('accept everything with the schema true, and nothing with false', () => {
    expect(refusal(true, 1)).toBeUndefined();
    expect(refusal(false, 1)).toBe('data boolean schema is false.');
  });

  it('may refer to themselves, and have the same $id as others', () => {
    const tree = { $id: 'https://a.example/tree', items: { $ref: '#' }, type: 'array' };
    expect(refusal(tree, [[], [[]]])).toBeUndefined();
    expect(refusal({ ...tree, minItems: 1 }, [[], 1])).toBe('data.0 must NOT have fewer than 1 items.');
  });

  it('stop checking a schema that refers to itself without end', () => {
    expect(refusal({ allOf: [{ $ref: '#' }] }, 1)).toBe('The hub cannot check the data.');
  });

  it('are refused with the problem', () => {
    expect(problemsOf({ name: 'a' }, { name: 'a' })).toMatch(/two event types with the same name/);
    expect(problemsOf({ name: 'a', schema: { type: 'strange' } })).toMatch(
      /eventTypes.0.schema: is not a usable JSON Schema/,
    );
    expect(problemsOf({ name: 'a', schema: { propertys: {} } })).toMatch(/unknown keyword: "propertys"/);
    expect(problemsOf({ name: 'a', schema: { format: 'strange' } })).toMatch(/unknown format/);
    expect(problemsOf({ name: 'a', schema: { $ref: 'https://elsewhere.example/s.json' } })).toMatch(
      /can't resolve reference/,
    );
    expect(problemsOf({ name: 'a', schema: { $schema: 'http://json-schema.org/draft-04/schema#' } })).toMatch(
      /"\$schema" must be/,
    );
    expect(problemsOf({ name: 'a', schema: { $async: true } })).toMatch(/"\$async" is not supported/);
    expect(problemsOf({ name: 'a', schema: { pattern: '^(a+)+$' } })).toMatch(/could take exponential time/);
    expect(problemsOf({ name: 'a', schema: { patternProperties: { '^(a+)+$': {} } } })).toMatch(
      /could take exponential time/,
    );
    expect(problemsOf({ name: 'a', schema: { description: 'x'.repeat(65_536) } })).toMatch(
      /more than 65536 characters/,
    );
    expect(problemsOf({ ...ORDER, sample: {} })).toMatch(/sample: does not fit its schema/);
    expect(problemsOf({ name: 'a', channels: ['no channel'] })).toMatch(/channel or a pattern/);
    expect(problemsOf({ name: '' })).not.toBe('');
  });
});
