import { ERRORS } from '../../packages/protocol/src/index.ts';
import type { Answer, Content, JsonSchema, Parameter, Route } from '../../packages/server/src/operate/api/route.ts';
import { ROUTES } from '../../packages/server/src/operate/api/routes.ts';
import { code, page, table } from './markdown.ts';

/** docs/reference/http.md */
export function httpPage(): string {
  return page(
    'HTTP API',
    '`packages/server/src/operate/api/routes.ts`',
    'A running hub serves the same as OpenAPI 3.1 at `/openapi.json`. What the words mean and what must hold is in [PROTOCOL.md](../../PROTOCOL.md), the codes in [errors](errors.md).',
    table(
      ['operation', 'does'],
      ROUTES.map((route) => [`[\`${title(route)}\`](#${anchor(route)})`, route.summary]),
    ),
    'Every path also answers `OPTIONS` with `204` and `Allow`, and those that answer `GET` answer `HEAD` with the same headers and no body.',
    ...ROUTES.map(entry),
  );
}

function title({ method, path }: Route): string {
  return `${method} ${path}`;
}

/** As GitHub makes them of headings. */
function anchor(route: Route): string {
  return title(route)
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');
}

function entry(route: Route): string {
  const { summary, doc, section, parameters, bodies, answers, errors } = route;
  return [
    `## ${title(route)}`,
    `${summary} ${doc}`.trim(),
    `PROTOCOL.md section ${section}.`,
    ...optional('Parameters', parameters, () => table(['parameter', 'in', 'form', ''], parameters.map(parameterRow))),
    ...optional('Body', bodies, () => table(['media type', ''], bodies.map(contentRow))),
    ...optional('Answers', answers, () => table(['status', '', 'headers'], answers.map(answerRow))),
    ...optional('Refusals', errors, () =>
      errors.map((name) => `[\`${name}\`](errors.md#${name}) ${ERRORS[name].status}`).join(' · '),
    ),
  ].join('\n\n');
}

function optional(heading: string, list: readonly unknown[], block: () => string): string[] {
  return list.length === 0 ? [] : [`**${heading}**`, block()];
}

function parameterRow({ name, in: place, schema, required, doc }: Parameter): string[] {
  return [code(name), place, form(schema), required === true ? `${doc} Required.` : doc];
}

function contentRow({ mediaType, doc }: Content): string[] {
  return [code(mediaType), doc];
}

function answerRow({ status, doc, contents, headers = {} }: Answer): string[] {
  const types = contents.map(({ mediaType }) => code(mediaType)).join(', ');
  const said = Object.entries(headers).map(([name, text]) => `${code(name)}: ${text}`);
  return [code(String(status)), types === '' ? doc : `${doc} ${types}`, said.join('<br>')];
}

/** A schema in a few words. */
function form(schema: JsonSchema): string {
  const {
    $ref,
    type,
    minimum,
    maximum,
    default: value,
    anyOf,
    enum: words,
    const: constant,
    items,
  } = schema as Record<string, unknown>;
  const suffix = value === undefined ? '' : `, default ${code(String(value))}`;
  if (typeof $ref === 'string') return $ref.slice($ref.lastIndexOf('/') + 1).toLowerCase();
  if (Array.isArray(anyOf)) return anyOf.map((each) => form(each as JsonSchema)).join(' or ') + suffix;
  if (Array.isArray(words)) return words.map((word) => code(String(word))).join(' or ');
  if (constant !== undefined) return code(String(constant));
  if (type === 'array') return `${form(items as JsonSchema)}, repeatable`;
  return type === 'integer' ? `${String(minimum)} to ${String(maximum)}${suffix}` : 'text';
}
