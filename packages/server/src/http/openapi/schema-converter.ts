import * as z from 'zod';
import type { JsonSchema, RouteDescription } from '../route-description.ts';

interface Converted {
  readonly schemaOf: (schema: z.core.$ZodType) => JsonSchema;
  readonly schemas: Readonly<Record<string, JsonSchema>>;
}

/**
 * Converts schemas of zod into JSON Schemas, all together: those with a name become references.
 * Example: `cursor()` becomes `{"$ref":"#/components/schemas/Cursor"}`.
 */
export class SchemaConverter {
  readonly #schemas = new Map<z.core.$ZodType, string>();

  /** Adds all schemas of a route. */
  addAll({ parameters = [], bodies = [], responses }: RouteDescription): void {
    for (const { schema } of [...parameters, ...bodies, ...responses.flatMap(({ contents }) => contents)])
      this.add(schema);
  }

  add(schema: z.core.$ZodType): void {
    if (!this.#schemas.has(schema)) this.#schemas.set(schema, `schema${this.#schemas.size}`);
  }

  convert(): Converted {
    const shape = Object.fromEntries([...this.#schemas].map(([schema, name]) => [name, schema]));
    const { properties = {}, $defs = {} } = asReferences(
      z.toJSONSchema(z.object(shape), {
        io: 'input',
        unrepresentable: 'any',
        override: ({ jsonSchema }) => tidy(jsonSchema),
      }),
    );
    return {
      schemas: $defs,
      schemaOf: (schema) => properties[this.#schemas.get(schema) ?? ''] ?? {},
    };
  }
}

interface JsonObjectSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
}

/** OpenAPI has shared schemas elsewhere than JSON Schema. */
function asReferences(schema: object): JsonObjectSchema {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/')) as JsonObjectSchema;
}

/** Removes what only JavaScript needs, and writes `null` in the short form. */
function tidy(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.$ref !== undefined) delete schema.type;
  if (JSON.stringify(schema.propertyNames) === '{"type":"string"}') delete schema.propertyNames;
  nameMembers(schema);
  const [one, other] = schema.anyOf ?? [];
  if (other?.type !== 'null' || schema.anyOf?.length !== 2 || typeof one?.type !== 'string' || 'enum' in one) return;
  delete schema.anyOf;
  Object.assign(schema, { ...one, ...schema, type: [one.type, 'null'] });
}

/**
 * A record with a few known keys becomes an object with these members: tools know no other form.
 */
function nameMembers(schema: z.core.JSONSchema.BaseSchema): void {
  const { propertyNames, additionalProperties: member } = schema;
  if (typeof propertyNames !== 'object' || propertyNames.enum === undefined || typeof member !== 'object') return;
  schema.properties = Object.fromEntries(propertyNames.enum.map((name) => [String(name), member]));
  delete schema.propertyNames;
  delete schema.additionalProperties;
}
