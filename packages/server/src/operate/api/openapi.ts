import { ERRORS, type ErrorCode } from '@polycast/protocol';
import type { Answer, Content, JsonSchema, Parameter, Route } from './route.ts';
import { ROUTES } from './routes.ts';
import { ref, SCHEMAS } from './schemas.ts';

/** The OpenAPI 3.1 document that the hub serves as `/openapi.json`. */
export function openApiDocument(version: string): JsonSchema {
  return defaultsInWords(describe(version));
}

/**
 * Clients that are made from defaults send them with every request, also beside what excludes them, and in TypeScript their members may
 * not be left out.
 */
function defaultsInWords(document: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(document), (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || !('default' in value)) return value;
    const { default: assumed, description, ...schema } = value as JsonSchema;
    const words = `Unless given: \`${typeof assumed === 'string' ? assumed : JSON.stringify(assumed)}\`.`;
    return { ...schema, description: description === undefined ? words : `${String(description)} ${words}` };
  }) as JsonSchema;
}

function describe(version: string): JsonSchema {
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const route of ROUTES) (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(route);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Polycast',
      version,
      summary: 'Publish once. Deliver over everything.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'The hub that serves this document.' }],
    tags: TAGS,
    paths,
    components: {
      schemas: referredSchemas(paths),
      responses: Object.fromEntries(
        [...byStatus(OF_EVERY_REQUEST)].map(([status, codes]) => [`Refusal${status}`, refusal(codes)]),
      ),
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

/** Those that are named somewhere, by way of others as well: tools warn of what is never used. */
function referredSchemas(paths: unknown): JsonSchema {
  const found = new Set<string>();
  const look = (within: unknown): void => {
    for (const [, name = ''] of JSON.stringify(within).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (found.has(name)) continue;
      found.add(name);
      look(SCHEMAS[name]);
    }
  };
  look([paths, ref('Problem')]);
  return Object.fromEntries(Object.entries(SCHEMAS).filter(([name]) => found.has(name)));
}

function operation(route: Route): JsonSchema {
  return {
    tags: [tagOf(route)],
    security: securityOf(route),
    operationId: route.name,
    summary: route.summary,
    description: `${route.doc} PROTOCOL.md section ${route.section}.`.trim(),
    parameters: route.parameters.filter(({ name }) => name !== 'token').map(parameter),
    ...(route.bodies.length > 0 && { requestBody: requestBody(route) }),
    responses: {
      ...Object.fromEntries(route.answers.map((answer) => [answer.status, response(answer)])),
      ...refusals(route.errors),
    },
  };
}

/** What may be wrong with any request, whatever it asks for. */
export const OF_EVERY_REQUEST: readonly ErrorCode[] = [
  'invalid_header',
  'invalid_request',
  'pipelined_request',
  'origin_not_allowed',
  'request_timeout',
  'uri_too_long',
  'host_not_allowed',
  'too_many_connections',
  'headers_too_large',
  'internal_error',
  'unsupported_transfer_coding',
  'overloaded',
];

/**
 * One media type, the first; the others in words. openapi-python-client warns of those that it does not know, and from several of them it
 * makes code that fails when it is called.
 */
function requestBody({ bodies: [first, ...others], isBodyOptional = false }: Route): JsonSchema {
  const words = others.map(({ mediaType, doc }) => `\`${mediaType}\`: ${doc}`).join(' ');
  return {
    ...(others.length > 0 && { description: `Taken as well: ${words}` }),
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
    description: 'The same, for clients that can set no header; never logged.',
  },
};

/** Any one of these: none is the last where rules can allow it to anyone. */
function securityOf({ errors, parameters, isForAnyone = false }: Route): readonly JsonSchema[] {
  if (!errors.includes('unauthorized')) return [];
  const hasToken = parameters.some(({ name }) => name === 'token');
  return [{ bearer: [] }, ...(hasToken ? [{ token: [] }] : []), ...(isForAnyone ? [{}] : [])];
}

const TAGS: readonly JsonSchema[] = [
  { name: 'events', description: 'Publishing and reading.' },
  { name: 'users', description: 'Users, and who is there.' },
  { name: 'subscriptions', description: 'Durable subscriptions, in all their dialects.' },
  { name: 'administration', description: 'Keys, revocations, the audit log.' },
  { name: 'operations', description: 'How the hub is.' },
];

/** By the chapter of PROTOCOL.md. */
function tagOf({ section }: Route): string {
  if (section === '12') return 'operations';
  if (section.startsWith('14.')) return 'subscriptions';
  if (section === '13.5' || section === '13.6') return 'users';
  return section.startsWith('13.') ? 'administration' : 'events';
}

function parameter({ name, in: place, schema, required, doc }: Parameter): JsonSchema {
  return { name, in: place, description: doc, ...(required === true && { required }), schema };
}

function response({ doc, contents: each, headers = {} }: Answer): JsonSchema {
  const described = Object.entries(headers).map(([name, text]) => [
    name,
    { description: text, schema: { type: 'string' } },
  ]);
  return {
    description: doc,
    ...(described.length > 0 && { headers: Object.fromEntries(described) }),
    ...(each.length > 0 && { content: contents(each) }),
  };
}

function contents(each: readonly Content[]): JsonSchema {
  return Object.fromEntries(
    each.map(({ mediaType, schema, doc }) => [mediaType, { schema: { description: doc, ...schema } }]),
  );
}

/** One response for each status, naming the codes that come with it. */
function refusals(codes: readonly ErrorCode[]): Record<string, JsonSchema> {
  const common = byStatus(OF_EVERY_REQUEST);
  return Object.fromEntries(
    [...byStatus([...codes, ...OF_EVERY_REQUEST])].map(([status, group]) => [
      status,
      group.length === common.get(status)?.length
        ? { $ref: `#/components/responses/Refusal${status}` }
        : refusal(group),
    ]),
  );
}

function byStatus(codes: readonly ErrorCode[]): ReadonlyMap<number, readonly ErrorCode[]> {
  return Map.groupBy(new Set(codes), (code) => ERRORS[code].status);
}

function refusal(codes: readonly ErrorCode[]): JsonSchema {
  return {
    description: codes.map((code) => `\`${code}\`: ${ERRORS[code].title}`).join(' '),
    content: {
      'application/problem+json': {
        schema: { allOf: [ref('Problem'), { properties: { code: { enum: codes } } }] },
      },
    },
  };
}
