import { ERRORS, type ErrorCode } from '@polycast/protocol';
import type { Answer, Content, JsonSchema, Parameter, Route } from './route.ts';
import { ROUTES } from './routes.ts';
import { ref, SCHEMAS } from './schemas.ts';

/** The OpenAPI 3.1 document that the hub serves as `/openapi.json`. */
export function openApiDocument(version: string): JsonSchema {
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
    components: { schemas: SCHEMAS, securitySchemes: SECURITY_SCHEMES },
  };
}

function operation(route: Route): JsonSchema {
  return {
    tags: [tagOf(route)],
    security: securityOf(route),
    operationId: route.name,
    summary: route.summary,
    description: `${route.doc} PROTOCOL.md section ${route.section}.`.trim(),
    parameters: route.parameters.filter(({ name }) => name !== 'token').map(parameter),
    ...(route.bodies.length > 0 && {
      requestBody: { required: route.isBodyOptional !== true, content: contents(route.bodies) },
    }),
    responses: {
      ...Object.fromEntries(route.answers.map((answer) => [answer.status, response(answer)])),
      ...refusals(route.errors),
    },
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
  const byStatus = Map.groupBy(new Set(codes), (code) => ERRORS[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        description: group.map((code) => `\`${code}\`: ${ERRORS[code].title}`).join(' '),
        content: {
          'application/problem+json': {
            schema: { allOf: [ref('Problem'), { properties: { code: { enum: group } } }] },
          },
        },
      },
    ]),
  );
}
