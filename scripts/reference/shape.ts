import type { JsonSchema } from '../../packages/server/src/operate/api/operation.ts';
import { SCHEMAS } from '../../packages/server/src/operate/api/schemas.ts';
import { code } from './markdown.ts';

/** What a schema asks for, in a few words. A named shape links to its section of the page. */
export function form(schema: JsonSchema): string {
  const { $ref, type, default: value, anyOf, oneOf, allOf, enum: words, const: constant, items } = schema;
  const suffix = value === undefined ? '' : `, default ${code(textOf(value))}`;
  if (typeof $ref === 'string') return link(nameIn($ref)) + suffix;
  const several = (anyOf ?? oneOf ?? allOf) as readonly JsonSchema[] | undefined;
  if (several !== undefined) return several.map(form).join(allOf === undefined ? ' or ' : ' and ') + suffix;
  if (Array.isArray(words)) return words.map((word) => code(String(word))).join(' or ') + suffix;
  if (constant !== undefined) return code(textOf(constant));
  const types = Array.isArray(type) ? (type as string[]) : [type as string | undefined];
  const named = types.map((each) => (each === 'array' ? listForm(schema, items as JsonSchema) : plain(each, schema)));
  return named.join(' or ') + suffix;
}

function listForm({ minItems, maxItems }: JsonSchema, items: JsonSchema): string {
  const bounds = range(minItems, maxItems);
  return `list of ${bounds === '' ? '' : `${bounds} `}${form(items)}`;
}

function plain(type: string | undefined, schema: JsonSchema): string {
  const { minimum, maximum, minLength, maxLength, format } = schema;
  if (type === 'integer' || type === 'number') {
    const bounds = range(minimum, maximum);
    return bounds === '' ? (type === 'integer' ? 'whole number' : 'number') : bounds;
  }
  if (type === 'boolean') return 'true or false';
  if (type === 'null') return 'null';
  if (type === 'object') return 'object';
  if (type === undefined) return 'any JSON';
  if (format === 'date-time') return 'time (RFC 3339)';
  if (format === 'uri') return 'URL';
  const bounds = range(minLength, maxLength);
  return bounds === '' ? 'text' : `text of ${bounds} characters`;
}

function range(least: unknown, most: unknown): string {
  const [from, to] = [least, most].map((bound) => (bound === undefined ? '' : Number(bound).toLocaleString('en-US')));
  if (from === '' || (least === 0 && to !== '')) return to === '' ? '' : least === 0 ? `0 to ${to}` : `up to ${to}`;
  if (to === '') return least === 0 ? '0 or more' : `${from} or more`;
  return least === most ? String(from) : `${from} to ${to}`;
}

export function nameIn(reference: string): string {
  return reference.slice(reference.lastIndexOf('/') + 1);
}

function link(name: string): string {
  return `[${name}](#shape-${name.toLowerCase()})`;
}

/**
 * A value that fits a schema: what it says itself, or the plainest. Members that may be left out
 * are there as well.
 */
export function example(schema: JsonSchema, depth = 0): unknown {
  const { $ref, type, examples, default: value, anyOf, oneOf, allOf, enum: words, const: constant } = schema;
  if (Array.isArray(examples)) return examples[0];
  if (typeof $ref === 'string') return example(SCHEMAS[nameIn($ref)] as JsonSchema, depth);
  if (constant !== undefined) return constant;
  if (Array.isArray(allOf)) return Object.assign({}, ...allOf.map((each) => example(each as JsonSchema, depth)));
  const [first] = (anyOf ?? oneOf ?? []) as readonly JsonSchema[];
  if (first !== undefined && schema['properties'] === undefined) return example(first, depth);
  if (Array.isArray(words)) return value ?? words[0];
  if (value !== undefined && value !== null) return value;
  const [kind] = [type].flat() as (string | undefined)[];
  if (kind === 'object') return exampleObject(schema, depth);
  if (kind === 'array') return depth > DEPTH_MAX ? [] : [example(schema['items'] as JsonSchema, depth + 1)];
  return PLAIN[(schema['format'] as string | undefined) ?? kind ?? 'any'] ?? schema['minimum'] ?? 'text';
}

const DEPTH_MAX = 5;
const PLAIN: Readonly<Record<string, unknown>> = {
  'date-time': '2027-01-31T12:00:00.000Z',
  uri: 'https://shop.example/hook',
  boolean: true,
  integer: 1,
  number: 1.5,
  any: { total: 42 },
};

/** Texts of members, where any would do. */
const TEXTS: Readonly<Record<string, string>> = {
  type: 'order.paid',
  idempotencyKey: 'order-42-paid',
  user: 'ann',
  name: 'shop backend',
  event: 'order.paid',
  description: 'Orders for the warehouse',
  source: '/shop',
  subject: 'orders.42',
  datacontenttype: 'text/plain',
  address: '203.0.113.7',
  reason: 'logged out',
};

function exampleObject({ properties = {}, oneOf }: JsonSchema, depth: number): unknown {
  const excluded = exclusiveNames(oneOf as readonly JsonSchema[] | undefined);
  const entries = Object.entries(properties as Record<string, JsonSchema>).filter(
    ([name]) => !excluded.has(name) && name !== 'data_base64',
  );
  return Object.fromEntries(
    entries.map(([name, member]) => {
      const value = example(member, depth + 1);
      return [name, value === 'text' ? (TEXTS[name] ?? value) : value];
    }),
  );
}

/** Of members that exclude each other the first is shown. */
function exclusiveNames(alternatives: readonly JsonSchema[] = []): ReadonlySet<string> {
  return new Set(alternatives.slice(1).flatMap(({ required }) => (required as string[] | undefined) ?? []));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
