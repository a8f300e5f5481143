import * as z from 'zod';
import type { Dialects } from '../../state/dialect.ts';
import { HEADER_LENGTH_MAX, HEADERS_MAX, headerProblem, isReservedHeader } from '../../webhook/request/header-rules.ts';
import { isRecord, requiring, withoutProto } from '../../../http/body/body-schema.ts';
import { invalidBody } from '../../../http/refusals.ts';

/**
 * Replaces each header value in responses, which never show values. In a change it keeps the
 * present value.
 */
export const HIDDEN_VALUE = '…';

type Headers = Readonly<Record<string, string>>;

/** Headers of every request to the endpoint. */
export function shownHeaders(): z.ZodRecord<z.ZodString, z.ZodString> {
  return z.record(z.string(), z.string().max(HEADER_LENGTH_MAX)).meta({
    maxProperties: HEADERS_MAX,
    description: 'Headers of each request. Values that contain credentials are shown as `…`.',
    examples: [{ 'x-team': 'warehouse' }],
  });
}

/** The same in a request. The names become lower case, and values may be hidden. */
export function givenHeaders(dialects: Dialects): z.ZodType<Headers> {
  const schema = shownHeaders()
    .refine((headers) => headersProblem(dialects, headers) === undefined)
    .transform((headers) =>
      Object.fromEntries(Object.entries(headers).map(([name, text]) => [name.toLowerCase(), text])),
    );
  const checked = requiring(schema, (value) => headersProblem(dialects, value));
  return withoutProto(checked, 'contains an invalid header name');
}

function headersProblem(dialects: Dialects, value: unknown): string | undefined {
  if (!isRecord(value)) return 'must be an object of headers and their values';
  const entries = Object.entries(value);
  if (entries.length > HEADERS_MAX) return `may have at most ${HEADERS_MAX} members`;
  const accepted = new Map<string, string>();
  for (const [given, text] of entries) {
    const name = given.toLowerCase();
    const problem = headerProblem(dialects, name, accepted, text === HIDDEN_VALUE ? '' : text);
    if (problem !== undefined) return problem;
    accepted.set(name, '');
  }
  return undefined;
}

/**
 * The headers with the present values of those that are hidden.
 * @throws PolycastError `invalid_body` if there is none
 */
export function revealedHeaders(headers: Headers, before: Headers): Headers {
  return Object.fromEntries(
    Object.entries(headers).map(([name, text]) => {
      const value = text === HIDDEN_VALUE ? before[name] : text;
      if (value === undefined)
        throw invalidBody('delivery.headers', `has no value for ${name}: the hub keeps none for another origin`);
      return [name, value];
    }),
  );
}

/** Hides the values of the subscription's own headers, because any of them may be a credential. */
export function redactedHeaders(
  dialects: Dialects,
  given: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, isReservedHeader(dialects, name) ? value : HIDDEN_VALUE]),
  );
}
