import { PolycastError } from '@polycast/protocol';
import { invalidParameter } from './refusals.ts';

/**
 * The parameters of a query; each may be given once.
 * @param advice for callers that use another name, by that name
 * @throws PolycastError `invalid_parameter`
 */
export function singleParameters(
  query: string,
  names: readonly string[],
  advice?: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of parseQueryPairs(query)) {
    if (!names.includes(name)) throw unknownParameter(name, advice?.get(name));
    if (values.has(name)) throw repeatedParameter(name);
    values.set(name, value);
  }
  return values;
}

/**
 * The first value of a parameter. The handler checks whether the parameter is allowed and given
 * once.
 * @throws PolycastError `invalid_parameter` for text that is not percent-encoded UTF-8
 */
export function firstParameter(query: string, wanted: string): string | undefined {
  for (const [name, value] of parseQueryPairs(query)) if (name === wanted) return value;
  return undefined;
}

/**
 * The pairs of a query string.
 * @throws PolycastError `invalid_parameter` for text that is not percent-encoded UTF-8
 */
export function* parseQueryPairs(query: string): Generator<readonly [string, string]> {
  if (query === '') return;
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    yield equals < 0
      ? [decodeQueryText(pair), '']
      : [decodeQueryText(pair.slice(0, equals)), decodeQueryText(pair.slice(equals + 1))];
  }
}

/** A whole number within bounds. @throws PolycastError `invalid_parameter` */
export function readInteger(
  values: ReadonlyMap<string, string>,
  name: string,
  min: number,
  max: number,
): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw invalidParameter(name, `must be a whole number from ${min} to ${max}`);
}

/** @param advice whole sentences */
export function unknownParameter(name: string, advice?: string): PolycastError {
  const reason = 'is not a parameter of this resource';
  return invalidParameter(name.slice(0, 64), advice === undefined ? reason : `${reason}. ${advice}`);
}

export function repeatedParameter(name: string): PolycastError {
  return invalidParameter(name, 'may occur only once');
}

function decodeQueryText(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new PolycastError('invalid_parameter', 'The query is not percent-encoded UTF-8.');
  }
}
