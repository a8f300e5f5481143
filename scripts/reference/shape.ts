import type { JsonSchema } from '../../packages/server/src/http/route-description.ts';
import { code } from './markdown.ts';

/** A short description of a schema. A named schema links to its section of the page. */
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

function nameIn(reference: string): string {
  return reference.slice(reference.lastIndexOf('/') + 1);
}

function link(name: string): string {
  return `[${name}](#shape-${name.toLowerCase()})`;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
