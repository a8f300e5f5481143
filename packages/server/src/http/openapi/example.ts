import type { JsonSchema } from '../route-description.ts';

type Schemas = Readonly<Record<string, JsonSchema>>;

/**
 * A value that fits a schema: its own example, or one that is made of the examples of its members.
 * It has all members, also optional ones. Of alternatives it shows the first.
 */
export function exampleOf(schema: JsonSchema, schemas: Schemas): unknown {
  const { $ref, type, examples, anyOf, oneOf, allOf, enum: words, const: constant } = schema;
  if (Array.isArray(examples)) return examples[0];
  if (typeof $ref === 'string') return exampleOf(schemas[$ref.slice($ref.lastIndexOf('/') + 1)] ?? {}, schemas);
  if (constant !== undefined) return constant;
  if (isList(allOf)) return Object.assign({}, ...allOf.map((each) => exampleOf(each, schemas)));
  const alternatives = anyOf ?? oneOf;
  if (isList(alternatives)) return exampleOf(alternatives[0] ?? {}, schemas);
  if (Array.isArray(words)) return words[0];
  const kind = Array.isArray(type) ? type[0] : type;
  if (kind === 'object') return exampleObject(schema, schemas);
  if (kind === 'array') return [exampleOf(isSchema(schema['items']) ? schema['items'] : {}, schemas)];
  return exampleScalar(kind, schema);
}

function exampleObject({ properties, additionalProperties }: JsonSchema, schemas: Schemas): object {
  if (!isSchema(properties))
    return isSchema(additionalProperties) ? { name: exampleOf(additionalProperties, schemas) } : {};
  const members = Object.entries(properties).map(([name, member]) => [
    name,
    exampleOf(isSchema(member) ? member : {}, schemas),
  ]);
  return Object.fromEntries(members);
}

function exampleScalar(type: unknown, { format, minimum, default: value }: JsonSchema): unknown {
  if (value !== undefined) return value;
  if (type === 'integer' || type === 'number') return Math.max(1, typeof minimum === 'number' ? minimum : 0);
  if (type === 'boolean') return true;
  if (type === undefined) return { total: 42 };
  return format === 'date-time' ? '2027-01-31T12:00:00.000Z' : format === 'uri' ? 'https://shop.example/hook' : 'text';
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: unknown): value is readonly JsonSchema[] {
  return Array.isArray(value);
}
