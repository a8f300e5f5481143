import fc from 'fast-check';
import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import type { AuthParts } from './auth-parts.ts';
import { RequestCredentials } from './credentials.ts';

const PARTS = { originPolicy: { allowsCookies: () => true } } as unknown as AuthParts;
const header = fc
  .array(fc.constantFrom('id', 'idx', '=', ';', ' ', 'a', '"'), { maxLength: 24 })
  .map((parts) => parts.join(''));

/** The pairs of RFC 6265 section 5.4, one by one. */
function expectedCookie(text: string, name: string): string | undefined {
  const pairs = text.split(';').map((pair) => ({ pair, equals: pair.indexOf('=') }));
  const found = pairs.find(({ pair, equals }) => equals > 0 && pair.slice(0, equals).trim() === name);
  return found?.pair.slice(found.equals + 1).trim();
}

test('a cookie is the first one of its name, in any header', () => {
  fc.assert(
    fc.property(header, (cookie) => {
      const credentials = new RequestCredentials(PARTS, { headers: { cookie } } as IncomingMessage, undefined);
      expect(credentials.cookie('id')).toBe(expectedCookie(cookie, 'id'));
    }),
    { numRuns: 2000 },
  );
});
