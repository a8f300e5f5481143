import type { Ajv, ValidateFunction } from 'ajv';
import type { FormatsPlugin } from 'ajv-formats';
import { createRequire } from 'node:module';
import type safeRegex from 'safe-regex2';
import { EventTypes, type SchemaCheck } from '../core/events/event-types.ts';

/** A type of event. `schema` and `sample` are JSON; both are optional. */
export interface EventTypeSettings {
  readonly name: string;
  readonly description: string;
  readonly channels: readonly string[];
  readonly schema?: object | boolean | undefined;
  readonly sample?: unknown;
}

/** Builds the catalogue of the configured event types. */
export function eventTypesOf(configured: readonly EventTypeSettings[]): EventTypes {
  const types = configured.map(({ name, description, channels, schema, sample }) => ({
    name,
    description,
    channels,
    schema,
    sample: sample === undefined ? undefined : JSON.stringify(sample),
  }));
  return new EventTypes(
    types,
    new Map(
      configured.flatMap(({ name, schema }) => (schema === undefined ? [] : [[name, compileSchema(schema)] as const])),
    ),
  );
}

/** Maximum length of a schema as JSON, in characters. */
const SCHEMA_LENGTH_MAX = 64 * 1024;

/**
 * Compiles a JSON Schema (2020-12, or draft-07 if `$schema` requests it). References must be within
 * the schema. Unknown keywords and formats are errors, and so are patterns on which a text could
 * take very long.
 * @throws Error with the problem of the schema
 */
export function compileSchema(schema: object | boolean): SchemaCheck {
  const known = typeof schema === 'object' ? compiledSchemas.get(schema) : undefined;
  if (known !== undefined) return known;
  checkSchemaBounds(schema);
  const validate = compileIsolated(schema);
  const check: SchemaCheck = (value) => {
    try {
      if (validate(value) === true) return undefined;
    } catch {
      // A schema with an endless reference to itself.
      return { pointer: undefined, message: 'The hub cannot check the data' };
    }
    const [error] = validate.errors ?? [];
    const at = error?.instancePath ?? '';
    return { pointer: at, message: `${jsonPath(at)} ${error?.message ?? 'does not match its schema'}` };
  };
  if (typeof schema === 'object') compiledSchemas.set(schema, check);
  return check;
}

/** Compiles a schema by itself: equal `$id`s of two schemas do not collide. */
function compileIsolated(schema: object | boolean): ValidateFunction {
  const compiler = compilerFor(schema);
  try {
    return compiler.compile(schema);
  } finally {
    if (typeof schema === 'object') compiler.removeSchema(schema);
  }
}

/** Each schema is compiled once: the check of the configuration uses it first, then the hub. */
const compiledSchemas = new WeakMap<object, SchemaCheck>();

const DRAFT_07 = 'http://json-schema.org/draft-07/schema#';
const DRAFT_2020 = 'https://json-schema.org/draft/2020-12/schema';
const compilers = new Map<string, Ajv>();
/** A single executable has a `require` of its own, for the libraries inside. */
const load = typeof require === 'function' ? require : createRequire(import.meta.url);

/** Loads the library only when there is a schema: most hubs have none. */
function compilerFor(schema: object | boolean): Ajv {
  const draft = (typeof schema === 'object' ? (schema as { $schema?: unknown }).$schema : undefined) ?? DRAFT_2020;
  if (draft !== DRAFT_07 && draft !== DRAFT_2020) throw new Error(`"$schema" must be ${DRAFT_2020} or ${DRAFT_07}`);
  let compiler = compilers.get(draft);
  if (compiler === undefined) {
    const library = load(draft === DRAFT_07 ? 'ajv' : 'ajv/dist/2020.js') as { default: typeof Ajv };
    const formats = load('ajv-formats') as { default: FormatsPlugin };
    // Many schemas omit `type`, and are still valid.
    compiler = new library.default({
      strict: true,
      strictTypes: false,
      strictTuples: false,
      logger: false,
    });
    formats.default(compiler);
    compilers.set(draft, compiler);
  }
  return compiler;
}

function checkSchemaBounds(schema: unknown): void {
  if (JSON.stringify(schema).length > SCHEMA_LENGTH_MAX)
    throw new Error(`it has more than ${SCHEMA_LENGTH_MAX} characters`);
  for (const [name, value] of allMembers(schema)) {
    if (name === '$async') throw new Error('"$async" is not supported');
    if (name === 'pattern' && typeof value === 'string') checkPatternIsSafe(value);
    if (name === 'patternProperties' && typeof value === 'object' && value !== null)
      for (const pattern of Object.keys(value)) checkPatternIsSafe(pattern);
  }
}

function checkPatternIsSafe(pattern: string): void {
  const { default: isSafe } = load('safe-regex2') as { default: typeof safeRegex };
  if (!isSafe(pattern))
    throw new Error(`the pattern ${JSON.stringify(pattern)} could take exponential time on some texts`);
}

function* allMembers(value: unknown): Generator<readonly [string, unknown]> {
  const pending = [value];
  while (pending.length > 0) {
    const next = pending.pop();
    if (typeof next !== 'object' || next === null) continue;
    for (const [name, member] of Object.entries(next)) {
      yield [name, member];
      pending.push(member);
    }
  }
}

/** `/order/total` -> `data.order.total`, the form for messages. */
function jsonPath(pointer: string): string {
  return [
    'data',
    ...pointer
      .split('/')
      .slice(1)
      .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~')),
  ].join('.');
}
