import type { Dialects } from '../../state/dialect.ts';

/** Most headers that a webhook may define. */
export const HEADERS_MAX = 20;
export const HEADER_LENGTH_MAX = 4096;
/**
 * Headers that HTTP or the hub sets for every dialect. A subscriber that could set them could split
 * one request into two.
 */
const RESERVED =
  /^(?:host|content-.*|ce-.*|polycast-.*|proxy-.*|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|accept-encoding|user-agent|date|origin|cookie2|http2-settings)$/;

/** Whether only the hub sets this header, so that its value contains nothing from a subscriber. */
export function isReservedHeader(dialects: Dialects, name: string): boolean {
  return RESERVED.test(name) || dialects.isReservedHeader(name);
}

/**
 * Describes the error in a header that each request is to carry (PROTOCOL.md section 14.1);
 * `undefined` if it is valid.
 * @param name in lower case
 * @param previous the headers before it
 */
export function headerProblem(
  dialects: Dialects,
  name: string,
  previous: ReadonlyMap<string, string>,
  value: unknown,
): string | undefined {
  if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/.test(name) || name === '__proto__') return 'contains an invalid header name';
  if (isReservedHeader(dialects, name)) return `may not set ${name}`;
  if (previous.has(name)) return `has ${name} twice`;
  if (typeof value === 'string' && value.length <= HEADER_LENGTH_MAX && /^[\x20-\x7e\t]*$/.test(value))
    return undefined;
  return `must have a string of at most ${HEADER_LENGTH_MAX} ASCII characters for ${name}`;
}
