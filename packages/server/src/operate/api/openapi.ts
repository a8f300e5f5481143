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
    paths,
    components: { schemas: SCHEMAS },
  };
}

function operation(route: Route): JsonSchema {
  return {
    operationId: route.name,
    summary: route.summary,
    description: `${route.doc} PROTOCOL.md section ${route.section}.`.trim(),
    parameters: route.parameters.map(parameter),
    ...(route.bodies.length > 0 && { requestBody: { required: true, content: contents(route.bodies) } }),
    responses: {
      ...Object.fromEntries(route.answers.map((answer) => [answer.status, response(answer)])),
      ...refusals(route.errors),
    },
  };
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
  const byStatus = Map.groupBy(codes, (code) => ERRORS[code].status);
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
