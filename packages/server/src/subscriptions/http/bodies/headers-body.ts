import type { Dialects } from '../../state/dialect.ts';
import { HEADERS_MAX, isReservedHeader, headerProblem } from '../../webhook/request/header-rules.ts';
import type { Validator } from '../../../http/body/json-body.ts';
import { isObject } from './checks.ts';

/**
 * Replaces each header value in responses, which never show values. In a change it keeps the
 * present value.
 */
export const HIDDEN_VALUE = '…';

/**
 * Headers of every request to the endpoint, with names in lower case.
 * @param before the present headers; `…` keeps their value
 */
export function headers(
  dialects: Dialects,
  before: Readonly<Record<string, string>> | undefined,
): Validator<Readonly<Record<string, string>>> {
  return (value) => {
    if (!isObject(value)) return { wrong: 'must be an object of headers and their values' };
    const entries = Object.entries(value);
    if (entries.length > HEADERS_MAX) return { wrong: `may have at most ${HEADERS_MAX} members` };
    const accepted = new Map<string, string>();
    for (const [given, text] of entries) {
      const name = given.toLowerCase();
      if (text === HIDDEN_VALUE && before?.[name] === undefined)
        return { wrong: `has no value for ${name}: the hub keeps none for another origin` };
      const wrong = headerProblem(dialects, name, accepted, text === HIDDEN_VALUE ? before?.[name] : text);
      if (wrong !== undefined) return { wrong };
      accepted.set(name, text === HIDDEN_VALUE ? (before?.[name] as string) : (text as string));
    }
    return { value: Object.fromEntries(accepted) };
  };
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
