import { HEADERS_MAX, wrongHeader } from '../core/subscription/header-rules.ts';
import type { Check } from '../transports/json-body.ts';
import { isObject } from './checks.ts';

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

/** Without the values of those that carry credentials. */
export function shownHeaders(given: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, isShown(name) ? value : NOT_SHOWN]));
}

/** The signatures of a request are its receiver's to check, and good for nothing else. */
function isShown(name: string): boolean {
  return name.startsWith('webhook-') || name.startsWith('x-hub-') || !SECRET.test(name);
}
