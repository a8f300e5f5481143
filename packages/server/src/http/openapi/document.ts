import { ERRORS, type ErrorCode } from '@polycast/protocol';
import type { DescribedRoute } from '../route.ts';
import type { Content, JsonSchema, Parameter, ResponseDescription } from '../route-description.ts';
import { COMMON_ERRORS } from './errors.ts';
import { describeApi, TAGS, type ApiDescription, type Operation } from './operations.ts';

/** The OpenAPI 3.1 document that the hub serves as `/openapi.json`. It describes these routes. */
export function openApiDocument(version: string, routes: readonly DescribedRoute[]): JsonSchema {
  return describeDefaults(buildDocument(version, describeApi(routes)));
}

/**
 * Moves defaults into descriptions. Generated clients send the defaults with every request, also
 * beside parameters that exclude them. In TypeScript their members would not be optional.
 */
function describeDefaults(document: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(document), (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || !('default' in value) || !isSchema(value)) return value;
    const { default: defaultValue, description, ...schema } = value as JsonSchema;
    const words = `Default: \`${typeof defaultValue === 'string' ? defaultValue : JSON.stringify(defaultValue)}\`.`;
    return { ...schema, description: description === undefined ? words : `${String(description)} ${words}` };
  }) as JsonSchema;
}

/**
 * Whether an object with a member `default` is a schema, and not a list of members or an example.
 */
function isSchema({ type, anyOf }: JsonSchema): boolean {
  return typeof type === 'string' || Array.isArray(type) || Array.isArray(anyOf);
}

function buildDocument(version: string, { operations, schemas }: ApiDescription): JsonSchema {
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const route of operations) (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(route);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Polycast',
      version,
      summary: 'Publish once. Deliver over everything.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'The hub that serves this document.' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: usedSchemas(paths, schemas),
      responses: Object.fromEntries(
        [...groupByStatus(COMMON_ERRORS)].map(([status, codes]) => [`Refusal${status}`, refusalResponse(codes)]),
      ),
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

/** The schemas that the paths use, directly or through others. Tools warn about unused ones. */
function usedSchemas(paths: unknown, schemas: ApiDescription['schemas']): JsonSchema {
  const found = new Set<string>();
  const collect = (within: unknown): void => {
    for (const [, name = ''] of JSON.stringify(within).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (found.has(name)) continue;
      found.add(name);
      collect(schemas[name]);
    }
  };
  collect([paths, PROBLEM]);
  return Object.fromEntries(Object.entries(schemas).filter(([name]) => found.has(name)));
}

function operation(route: Operation): JsonSchema {
  return {
    tags: [route.tag],
    security: securityOf(route),
    operationId: route.operationId,
    summary: route.summary,
    description: `${route.details} PROTOCOL.md section ${route.section}.`.trim(),
    parameters: route.parameters.filter(({ name }) => name !== 'token').map(parameter),
    ...(route.bodies.length > 0 && { requestBody: requestBody(route) }),
    responses: {
      ...refusalResponses(route.errors),
      ...Object.fromEntries(route.responses.map((each) => [each.status, response(each)])),
    },
  };
}

/**
 * The first media type as content, the others in the description. openapi-python-client warns about
 * types that it does not know. From several types it generates code that fails when called.
 */
function requestBody({ bodies: [first, ...others], isBodyOptional }: Operation): JsonSchema {
  const description = others.map(({ mediaType, doc }) => `\`${mediaType}\`: ${doc}`).join(' ');
  return {
    ...(others.length > 0 && { description: `Also accepted: ${description}` }),
    required: !isBodyOptional,
    content: contents(first === undefined ? [] : [first]),
  };
}

const SECURITY_SCHEMES: JsonSchema = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'A key of the hub, or a token of the site (PROTOCOL.md sections 13.1 and 13.2).',
  },
  token: {
    type: 'apiKey',
    in: 'query',
    name: 'token',
    description: 'The same, for clients that cannot set headers. The hub never logs it.',
  },
};

/**
 * The alternatives of authentication. The empty one comes last, if rules can allow the operation to
 * anyone.
 */
function securityOf({ errors, parameters, allowsAnonymous }: Operation): readonly JsonSchema[] {
  if (!errors.includes('unauthorized')) return [];
  const hasToken = parameters.some(({ name }) => name === 'token');
  return [{ bearer: [] }, ...(hasToken ? [{ token: [] }] : []), ...(allowsAnonymous ? [{}] : [])];
}

function parameter({ name, in: location, schema, required, doc }: Parameter<JsonSchema>): JsonSchema {
  return { name, in: location, description: doc, ...(required === true && { required }), schema };
}

function response({ doc, contents: each, headers = {} }: ResponseDescription<JsonSchema>): JsonSchema {
  const describedHeaders = Object.entries(headers).map(([name, text]) => [
    name,
    { description: text, schema: { type: 'string' } },
  ]);
  return {
    description: doc,
    ...(describedHeaders.length > 0 && { headers: Object.fromEntries(describedHeaders) }),
    ...(each.length > 0 && { content: contents(each) }),
  };
}

function contents(each: readonly Content<JsonSchema>[]): JsonSchema {
  return Object.fromEntries(
    each.map(({ mediaType, schema, doc, example }) => [
      mediaType,
      { schema: { description: doc, ...schema }, ...(example !== undefined && { example }) },
    ]),
  );
}

/** One response per status, with the error codes of that status. */
function refusalResponses(codes: readonly ErrorCode[]): Record<string, JsonSchema> {
  const common = groupByStatus(COMMON_ERRORS);
  return Object.fromEntries(
    [...groupByStatus([...codes, ...COMMON_ERRORS])].map(([status, group]) => [
      status,
      group.length === common.get(status)?.length
        ? { $ref: `#/components/responses/Refusal${status}` }
        : refusalResponse(group),
    ]),
  );
}

function groupByStatus(codes: readonly ErrorCode[]): ReadonlyMap<number, readonly ErrorCode[]> {
  return Map.groupBy(new Set(codes), (code) => ERRORS[code].status);
}

function refusalResponse(codes: readonly ErrorCode[]): JsonSchema {
  return {
    description: codes.map((code) => `\`${code}\`: ${ERRORS[code].title}`).join(' '),
    content: {
      'application/problem+json': {
        schema: { allOf: [PROBLEM, { properties: { code: { enum: codes } } }] },
      },
    },
  };
}

const PROBLEM: JsonSchema = { $ref: '#/components/schemas/Problem' };
