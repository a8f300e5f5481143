import type { Ajv, ValidateFunction } from 'ajv';
import type { FormatsPlugin } from 'ajv-formats';
import { createRequire } from 'node:module';
import type safeRegex from 'safe-regex2';
import { EventTypes, type SchemaCheck } from '../core/events/event-types.ts';
import type { EventTypeConfig } from './config.ts';

/** The configured catalogue, ready to be asked. */
export function eventTypesOf(configured: readonly EventTypeConfig[]): EventTypes {
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

/** The longest schema, as JSON. */
const SCHEMA_LENGTH_MAX = 64 * 1024;

/**
 * Makes a check of a JSON Schema (2020-12, or draft-07 where `$schema` says so). References lead within it only, unknown keywords and
 * formats are refused, and so are patterns that a text could keep busy for long.
 * @throws Error what is wrong with the schema
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
      // A schema that refers to itself without end.
      return { pointer: undefined, message: 'The data cannot be checked' };
    }
    const [error] = validate.errors ?? [];
    const at = error?.instancePath ?? '';
    return { pointer: at, message: `${jsonPath(at)} ${error?.message ?? 'is not as its schema says'}` };
  };
  if (typeof schema === 'object') compiledSchemas.set(schema, check);
  return check;
}

/** What two schemas call themselves by `$id` is no affair of each other's. */
function compileIsolated(schema: object | boolean): ValidateFunction {
  const compiler = compilerFor(schema);
  try {
    return compiler.compile(schema);
  } finally {
    if (typeof schema === 'object') compiler.removeSchema(schema);
  }
}

/** Each is compiled once: a configuration is checked first and used afterwards. */
const compiledSchemas = new WeakMap<object, SchemaCheck>();

const DRAFT_07 = 'http://json-schema.org/draft-07/schema#';
const DRAFT_2020 = 'https://json-schema.org/draft/2020-12/schema';
const compilers = new Map<string, Ajv>();
const require = createRequire(import.meta.url);

/** The library is loaded only where there is a schema: most hubs have none. */
function compilerFor(schema: object | boolean): Ajv {
  const draft = (typeof schema === 'object' ? (schema as { $schema?: unknown }).$schema : undefined) ?? DRAFT_2020;
  if (draft !== DRAFT_07 && draft !== DRAFT_2020) throw new Error(`"$schema" must be ${DRAFT_2020} or ${DRAFT_07}`);
  let compiler = compilers.get(draft);
  if (compiler === undefined) {
    const library = require(draft === DRAFT_07 ? 'ajv' : 'ajv/dist/2020.js') as { default: typeof Ajv };
    const formats = require('ajv-formats') as { default: FormatsPlugin };
    // People leave `type` out, and it says nothing of what is valid.
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
    if (name === '$async') throw new Error('"$async" is not known here');
    if (name === 'pattern' && typeof value === 'string') checkPatternIsSafe(value);
    if (name === 'patternProperties' && typeof value === 'object' && value !== null)
      for (const pattern of Object.keys(value)) checkPatternIsSafe(pattern);
  }
}

function checkPatternIsSafe(pattern: string): void {
  const { default: isSafe } = require('safe-regex2') as { default: typeof safeRegex };
  if (!isSafe(pattern)) throw new Error(`the pattern ${JSON.stringify(pattern)} could take for ever on some texts`);
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

/** `/order/total` -> `data.order.total`, as people write it. */
function jsonPath(pointer: string): string {
  return [
    'data',
    ...pointer
      .split('/')
      .slice(1)
      .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~')),
  ].join('.');
}
