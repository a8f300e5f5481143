import type { ErrorCode } from '@polycast/protocol';
import { routeName, type DescribedRoute, type RouteAddress } from '../route.ts';
import type { Content, JsonSchema, Parameter, ResponseDescription, RouteDescription } from '../route-description.ts';
import { errorsOf } from './errors.ts';
import { exampleOf } from './example.ts';
import { SchemaConverter } from './schema-converter.ts';
import { cursor, problem } from './schemas.ts';

/** The description of a route with JSON Schemas, and with an example of each JSON body. */
export interface Operation extends Required<
  Pick<RouteDescription, 'operationId' | 'summary' | 'section' | 'details' | 'isBodyOptional' | 'allowsAnonymous'>
> {
  readonly method: RouteAddress['method'];
  /** As in OpenAPI: `/v1/channels/{channel}`. */
  readonly path: string;
  readonly parameters: readonly Parameter<JsonSchema>[];
  readonly bodies: readonly Content<JsonSchema>[];
  readonly responses: readonly ResponseDescription<JsonSchema>[];
  readonly errors: readonly ErrorCode[];
  readonly tag: Tag;
}

/** The described routes of a hub, and the schemas that they share, by name. */
export interface ApiDescription {
  readonly operations: readonly Operation[];
  readonly schemas: Readonly<Record<string, JsonSchema>>;
}

/** The parts of the API, in the order of the reference. */
export const TAGS = {
  events: 'Publishing and reading.',
  users: 'Users and presence.',
  subscriptions: 'Durable subscriptions in all dialects.',
  administration: 'Keys, revocations and the audit log.',
  operations: 'Health and metrics.',
} as const;

export type Tag = keyof typeof TAGS;

/** The tag, by the section of PROTOCOL.md. */
function tagOf(section: string): Tag {
  if (section === '12') return 'operations';
  if (section.startsWith('14.')) return 'subscriptions';
  if (section === '13.5' || section === '13.6') return 'users';
  return section.startsWith('13.') ? 'administration' : 'events';
}

/** Sorts by tag, and leaves the order within a tag. */
function inOrder(operations: readonly Operation[]): readonly Operation[] {
  const tags = Object.keys(TAGS);
  return operations.toSorted((one, other) => tags.indexOf(one.tag) - tags.indexOf(other.tag));
}

/** Describes the routes that have a description, in the order of the reference. */
export function describeApi(routes: readonly DescribedRoute[]): ApiDescription {
  const converter = new SchemaConverter();
  const described = routes.flatMap((route) =>
    route.description === undefined ? [] : [{ route, description: route.description() }],
  );
  for (const { description } of described) converter.addAll(description);
  for (const schema of [cursor(), problem()]) converter.add(schema);
  const { schemaOf, schemas } = converter.convert();
  const content = ({ example, ...rest }: Content): Content<JsonSchema> => {
    const schema = schemaOf(rest.schema);
    const isJson = /[/+]json$/.test(rest.mediaType) && Object.keys(schema).length > 0;
    const shown = example ?? (isJson ? exampleOf(schema, schemas) : undefined);
    return { ...rest, schema, ...(shown !== undefined && { example: shown }) };
  };
  const operations = described.map(({ route, description }): Operation => {
    const { parameters = [], bodies = [], responses } = description;
    const [, path = ''] = routeName(route).split(' ');
    return {
      ...DEFAULTS,
      ...description,
      method: route.method,
      path,
      parameters: parameters.map((each) => ({ ...each, schema: schemaOf(each.schema) })),
      bodies: bodies.map(content),
      responses: responses.map((each) => ({ ...each, contents: each.contents.map(content) })),
      errors: errorsOf(route, description),
      tag: tagOf(description.section),
    };
  });
  return { operations: inOrder(operations), schemas };
}

const DEFAULTS = { details: '', isBodyOptional: false, allowsAnonymous: false };
