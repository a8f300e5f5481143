import type { Check } from '../transports/json-body.ts';
import { isObject } from './checks.ts';

const HEADERS_MAX = 20;
const VALUE_LENGTH_MAX = 4096;
/** What the hub sets itself, or HTTP needs: whoever could set it could make one request two. */
const RESERVED =
  /^(?:host|content-.*|webhook-.*|ce-.*|x-hub-.*|polycast-.*|proxy-.*|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|accept-encoding|user-agent|date|link|origin|cookie2|http2-settings|x-hook-.*)$/;
/** Whose value speaks for its sender: it is never shown again. */
const SECRET = /auth|token|secret|key|cookie|password|signature|credential/;

/** In the place of what is not shown; sent back in a change it stands for the value as it is. */
export const NOT_SHOWN = '…';

/**
 * Headers that are sent along with each request, names in lower case.
 * @param before those there are: `…` keeps the value
 */
export function headers(before: Readonly<Record<string, string>> | undefined): Check<Readonly<Record<string, string>>> {
  return (value) => {
    if (!isObject(value)) return { wrong: 'must be an object of headers and their values' };
    const entries = Object.entries(value);
    if (entries.length > HEADERS_MAX) return { wrong: `may have at most ${HEADERS_MAX} members` };
    const taken = new Map<string, string>();
    for (const [given, text] of entries) {
      const name = given.toLowerCase();
      const wrong = wrongHeader(name, taken, text === NOT_SHOWN ? before?.[name] : text);
      if (wrong !== undefined) return { wrong };
      taken.set(name, text === NOT_SHOWN ? (before?.[name] as string) : (text as string));
    }
    return { value: Object.fromEntries(taken) };
  };
}

function wrongHeader(name: string, taken: ReadonlyMap<string, string>, value: unknown): string | undefined {
  if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/.test(name) || name === '__proto__')
    return 'holds what is no name of a header';
  if (RESERVED.test(name)) return `may not set ${name}`;
  if (taken.has(name)) return `has ${name} twice`;
  if (typeof value === 'string' && value.length <= VALUE_LENGTH_MAX && /^[\x20-\x7e\t]*$/.test(value)) return undefined;
  return `must have a text of at most ${VALUE_LENGTH_MAX} characters of ASCII for ${name}`;
}

/** Without the values of those that carry credentials. */
export function shownHeaders(given: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, isShown(name) ? value : NOT_SHOWN]));
}

/** The signatures of a request are its receiver's to check, and good for nothing else. */
function isShown(name: string): boolean {
  return name.startsWith('webhook-') || name.startsWith('x-hub-') || !SECRET.test(name);
}
