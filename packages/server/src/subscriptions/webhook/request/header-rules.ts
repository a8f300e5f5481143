/** How many headers a webhook may have of its own. */
export const HEADERS_MAX = 20;
const VALUE_LENGTH_MAX = 4096;
/** What the hub sets itself, or HTTP needs: whoever could set it could make one request two. */
const RESERVED =
  /^(?:host|content-.*|webhook-.*|ce-.*|x-hub-.*|polycast-.*|proxy-.*|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|accept-encoding|user-agent|date|link|origin|cookie2|http2-settings|x-hook-.*)$/;

/** Whether the hub sets this header, and nobody else can: its value holds nothing of a subscriber's. */
export function isReservedHeader(name: string): boolean {
  return RESERVED.test(name);
}

/**
 * What is wrong with a header that is sent along with each request, in words (PROTOCOL.md section 14.1); `undefined` when it is right.
 * @param name in lower case
 * @param previous those before it
 */
export function headerProblem(name: string, previous: ReadonlyMap<string, string>, value: unknown): string | undefined {
  if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/.test(name) || name === '__proto__')
    return 'holds what is no name of a header';
  if (RESERVED.test(name)) return `may not set ${name}`;
  if (previous.has(name)) return `has ${name} twice`;
  if (typeof value === 'string' && value.length <= VALUE_LENGTH_MAX && /^[\x20-\x7e\t]*$/.test(value)) return undefined;
  return `must have a text of at most ${VALUE_LENGTH_MAX} characters of ASCII for ${name}`;
}
