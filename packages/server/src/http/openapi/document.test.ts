import { ERRORS, type ErrorCode } from '@polycast/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../config/load.ts';
import { openHub, type Hub } from '../../hub.ts';
import type { JsonSchema } from '../route-description.ts';
import { openApiDocument } from './document.ts';
import { COMMON_ERRORS } from './errors.ts';
import { describeApi, type ApiDescription } from './operations.ts';

let hub: Hub;
let api: ApiDescription;
let document: JsonSchema;

beforeAll(async () => {
  const settings = ['access=rules', 'listen=127.0.0.1:0', 'data=:memory:', 'logging.level=error'];
  hub = await openHub(loadConfig({ settings }).config);
  api = describeApi(hub.routes);
  document = openApiDocument('1.2.3', hub.routes);
});
afterAll(() => hub.close());

test('every reference has its schema, and every schema is referenced', () => {
  const referred = namesIn(api);
  expect([...referred].toSorted()).toEqual(Object.keys(api.schemas).toSorted());
  const { schemas } = (document as { components: { schemas: object } }).components;
  expect([...namesIn(document)].toSorted()).toEqual(Object.keys(schemas).toSorted());
});

function namesIn(within: object): ReadonlySet<string> {
  return new Set(
    [...JSON.stringify(within).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name ?? ''),
  );
}

test('a body has one media type for generated clients, and describes the others in words', () => {
  const { paths } = document as { paths: Record<string, Record<string, { requestBody?: Body }>> };
  for (const { method, path, bodies } of api.operations) {
    const body = paths[path]?.[method.toLowerCase()]?.requestBody;
    expect(Object.keys(body?.content ?? {})).toEqual(bodies.slice(0, 1).map(({ mediaType }) => mediaType));
    for (const { mediaType } of bodies.slice(1)) expect(body?.description).toContain(`\`${mediaType}\``);
  }
});

interface Body {
  readonly description?: string;
  readonly content: object;
}

test('defaults are only in the descriptions, because clients would send them otherwise', () => {
  expect(JSON.stringify(api)).toContain('"default":"per-channel"');
  const withDefaults: unknown[] = [];
  // A response may have a member of this name, which is no keyword of a schema.
  JSON.stringify(document, (_key, value: unknown) => {
    if (Object(value) === value && 'default' in Object(value) && 'type' in Object(value)) withDefaults.push(value);
    return value;
  });
  expect(withDefaults).toEqual([]);
  expect(JSON.stringify(document)).toContain('Default: `per-channel`.');
});

test('operations have unique names, and the parameters of their paths', () => {
  expect(new Set(api.operations.map(({ operationId }) => operationId)).size).toBe(api.operations.length);
  for (const { path, parameters } of api.operations) {
    const inPath = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
    expect([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)).toEqual(inPath);
  }
});

test('every error code of HTTP requests is documented by an operation', () => {
  const elsewhere: readonly ErrorCode[] = ['invalid_message', 'not_found', 'method_not_allowed'];
  const documented = new Set<string>([
    ...elsewhere,
    ...COMMON_ERRORS,
    ...api.operations.flatMap(({ errors }) => errors),
  ]);
  expect(Object.keys(ERRORS).filter((code) => !documented.has(code))).toEqual([]);
});
