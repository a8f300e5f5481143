import { ERRORS } from '../../packages/protocol/src/index.ts';
import type {
  ResponseDescription,
  Content,
  JsonSchema,
  Parameter,
  Operation,
} from '../../packages/server/src/operate/api/operation.ts';
import { OPERATIONS } from '../../packages/server/src/operate/api/all-operations.ts';
import { SCHEMAS } from '../../packages/server/src/operate/api/schemas.ts';
import { code, page, table } from './markdown.ts';
import { example, form } from './shape.ts';

/** docs/reference/http.md */
export function httpPage(): string {
  return page(
    'HTTP API',
    '`packages/server/src/operate/api/all-operations.ts`',
    'A running hub serves the same content as OpenAPI 3.1 at `/openapi.json`. [PROTOCOL.md](../../PROTOCOL.md) is the normative text, and [errors](errors.md) lists the codes.',
    table(
      ['operation', 'does'],
      OPERATIONS.map((route) => [`[\`${title(route)}\`](#${anchor(route)})`, route.summary]),
    ),
    'Every path also answers `OPTIONS` with `204` and `Allow`. Paths with `GET` answer `HEAD` with the same headers and no body.',
    ...OPERATIONS.map(entry),
    '## Shapes',
    'The schemas of bodies and answers. A member that is not marked "Always" is optional.',
    ...Object.entries(SCHEMAS).map(shape),
  );
}

function title({ method, path }: Operation): string {
  return `${method} ${path}`;
}

/** As GitHub makes them of headings. */
function anchor(route: Operation): string {
  return title(route)
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');
}

function entry(route: Operation): string {
  const { summary, doc, section, parameters, bodies, answers, errors } = route;
  return [
    `## ${title(route)}`,
    `${summary} ${doc}`.trim(),
    `PROTOCOL.md section ${section}.`,
    ...optional('Parameters', parameters, () => table(['parameter', 'in', 'form', ''], parameters.map(parameterRow))),
    ...optional('Body', bodies, () =>
      [table(['media type', 'form', ''], bodies.map(contentRow)), ...examples(bodies)].join('\n\n'),
    ),
    ...optional('Answers', answers, () =>
      [
        table(['status', 'form', '', 'headers'], answers.map(answerRow)),
        ...answers.flatMap(({ contents }) => examples(contents)),
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

/** Bodies and answers in JSON, as they may look. */
function examples(contents: readonly Content[]): string[] {
  return contents
    .filter(({ mediaType, schema }) => mediaType === 'application/json' && Object.keys(schema).length > 0)
    .map(({ schema }) => `\`\`\`json\n${JSON.stringify(example(schema), undefined, 2)}\n\`\`\``);
}

/** One of the shapes that operations share. */
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
