import { ERRORS, type ErrorCode } from '@polycast/protocol';
import { expect, test } from 'vitest';
import { openApiDocument } from './openapi.ts';
import { ROUTES } from './routes.ts';
import { SCHEMAS } from './schemas.ts';

const document = openApiDocument('1.2.3');

test('every reference leads to a schema, and every schema is referred to', () => {
  const referred = new Set(
    [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name),
  );
  expect([...referred].toSorted()).toEqual(Object.keys(SCHEMAS).toSorted());
});

test('operations have names of their own, and the parameters of their paths', () => {
  expect(new Set(ROUTES.map(({ name }) => name)).size).toBe(ROUTES.length);
  for (const { path, parameters } of ROUTES) {
    const inPath = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
    expect([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)).toEqual(inPath);
  }
});

test('every code that an HTTP request can get is told by some operation', () => {
  const anywhere: readonly ErrorCode[] = [
    'invalid_request',
    'pipelined_request',
    'unsupported_transfer_coding',
    'invalid_message',
    'not_found',
    'method_not_allowed',
    'uri_too_long',
    'host_not_allowed',
    'headers_too_large',
    'internal_error',
  ];
  const told = new Set<string>([...anywhere, ...ROUTES.flatMap(({ errors }) => errors)]);
  expect(Object.keys(ERRORS).filter((code) => !told.has(code))).toEqual([]);
});
