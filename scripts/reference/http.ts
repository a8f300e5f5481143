import { ERRORS } from '../../packages/protocol/src/index.ts';
import type * as described from '../../packages/server/src/http/route-description.ts';
import { TAGS, type Operation } from '../../packages/server/src/http/openapi/operations.ts';
import { defaultApi } from './api.ts';
import { code, page, table } from './markdown.ts';
import { form } from './shape.ts';

type JsonSchema = described.JsonSchema;
type Content = described.Content<JsonSchema>;
type Parameter = described.Parameter<JsonSchema>;
type ResponseDescription = described.ResponseDescription<JsonSchema>;

/** docs/reference/http.md */
export async function httpPage(): Promise<string> {
  const { operations, schemas } = await defaultApi();
  return page(
    'HTTP API',
    'the descriptions of the routes in `packages/server/src`',
    'A running hub serves the same content as OpenAPI 3.1 at `/openapi.json`. [PROTOCOL.md](../../PROTOCOL.md) is the normative text, and [errors](errors.md) lists the codes.',
    table(
      ['operation', 'does'],
      operations.map((route) => [`[\`${title(route)}\`](#${anchor(route)})`, route.summary]),
    ),
    'Every path also answers `OPTIONS` with `204` and `Allow`. Paths with `GET` answer `HEAD` with the same headers and no body.',
    ...Object.entries(TAGS).flatMap(([tag, description]) => [
      `## ${tag[0]?.toUpperCase()}${tag.slice(1)}`,
      description,
      ...operations.filter((route) => route.tag === tag).map(entry),
    ]),
    '## Shapes',
    'The schemas of bodies and answers. A member that is not marked "Always" is optional.',
    ...Object.entries(schemas).map(shape),
  );
}

function title({ method, path }: Operation): string {
  return `${method} ${path}`;
}

/** As GitHub derives them from headings. */
function anchor(route: Operation): string {
  return title(route)
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');
}

function entry(route: Operation): string {
  const { summary, details, section, parameters, bodies, responses, errors } = route;
  return [
    `### ${title(route)}`,
    `${summary} ${details}`.trim(),
    `PROTOCOL.md section ${section}.`,
    ...optional('Parameters', parameters, () => table(['parameter', 'in', 'form', ''], parameters.map(parameterRow))),
    ...optional('Body', bodies, () =>
      [table(['media type', 'form', ''], bodies.map(contentRow)), ...examples(bodies)].join('\n\n'),
    ),
    ...optional('Answers', responses, () =>
      [
        table(['status', 'form', '', 'headers'], responses.map(answerRow)),
        ...responses.flatMap(({ contents }) => examples(contents)),
      ].join('\n\n'),
    ),
    ...optional('Refusals', errors, () =>
      [...new Set(errors)].map((name) => `[\`${name}\`](errors.md#${name}) ${ERRORS[name].status}`).join(' · '),
    ),
  ].join('\n\n');
}

function optional(heading: string, list: readonly unknown[], block: () => string): string[] {
  return list.length === 0 ? [] : [`**${heading}**`, block()];
}

function parameterRow({ name, in: place, schema, required, doc }: Parameter): string[] {
  return [code(name), place, form(schema), required === true ? `${doc} Required.` : doc];
}

function contentRow({ mediaType, schema, doc }: Content): string[] {
  return [code(mediaType), form(schema), doc];
}

function answerRow({ status, doc, contents, headers = {} }: ResponseDescription): string[] {
  const types = contents.map(({ mediaType }) => code(mediaType)).join(', ');
  const said = Object.entries(headers).map(([name, text]) => `${code(name)}: ${text}`);
  const forms = contents.map(({ schema }) => form(schema)).join('<br>');
  return [code(String(status)), forms, types === '' ? doc : `${doc} ${types}`, said.join('<br>')];
}

/** Examples of bodies and answers. */
function examples(contents: readonly Content[]): string[] {
  return contents
    .filter(({ example }) => example !== undefined)
    .map(({ example }) =>
      typeof example === 'string'
        ? `\`\`\`text\n${example.trimEnd()}\n\`\`\``
        : `\`\`\`json\n${JSON.stringify(example, undefined, 2)}\n\`\`\``,
    );
}

/** A schema that several operations share. */
function shape([name, schema]: readonly [string, JsonSchema]): string {
  const { description, properties, required = [], allOf, oneOf } = schema as Readonly<Record<string, unknown>>;
  const members = Object.entries((properties ?? {}) as Record<string, JsonSchema>);
  const needed = new Set(required as readonly string[]);
  const rows = members.map(([member, each]) => [
    code(member),
    form(each),
    [needed.has(member) ? 'Always.' : '', (each['description'] as string | undefined) ?? ''].join(' ').trim(),
  ]);
  const isMix = members.length === 0 && (allOf !== undefined || oneOf !== undefined);
  return [
    `### Shape: ${name}`,
    ...(description === undefined ? [] : [String(description)]),
    ...(rows.length > 0 ? [table(['member', 'form', ''], rows)] : [`${isMix ? '' : 'Form: '}${form(schema)}.`]),
  ].join('\n\n');
}
