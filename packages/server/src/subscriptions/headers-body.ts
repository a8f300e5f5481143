import { HEADERS_MAX, isHubHeader, wrongHeader } from '../core/subscription/header-rules.ts';
import type { Check } from '../transports/json-body.ts';
import { isObject } from './checks.ts';

/** In the place of a value, none of which is shown again; sent back in a change it stands for the value as it is. */
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
      if (text === NOT_SHOWN && before?.[name] === undefined)
        return { wrong: `has no value to keep for ${name}: of another origin none is kept` };
      const wrong = wrongHeader(name, taken, text === NOT_SHOWN ? before?.[name] : text);
      if (wrong !== undefined) return { wrong };
      taken.set(name, text === NOT_SHOWN ? (before?.[name] as string) : (text as string));
    }
    return { value: Object.fromEntries(taken) };
  };
}

/** Without the values of a subscription's own: any of them may speak for its sender, whatever it is called. */
export function shownHeaders(given: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, isHubHeader(name) ? value : NOT_SHOWN]),
  );
}
