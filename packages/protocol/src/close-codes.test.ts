import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { clientActionAfterClose, CLOSE_CODES, type CloseCode } from './close-codes.ts';

const CODES = Object.keys(CLOSE_CODES).map(Number) as CloseCode[];

describe('close codes (PROTOCOL.md section 7.4)', () => {
  it('have the names of the protocol', () => {
    const text = readFileSync(new URL('../../../PROTOCOL.md', import.meta.url), 'utf8');
    const table = [...text.matchAll(/^\| (\d{4}) \| ([^|]*) \| ([^|]*) \|$/gm)].map(([, code, , then]) => [
      Number(code),
      then,
    ]);
    expect(table).toEqual(CODES.map((code) => [code, CLOSE_CODES[code].clientAction.replace('-', ' ')]));
  });

  it.each(CODES)('%d may be sent, its reason fits a close frame, and it has a reaction', (code) => {
    const { reason, clientAction: then } = CLOSE_CODES[code];
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
    expect(clientActionAfterClose(code)).toBe(then);
    expect((code >= 1000 && code <= 1014) || (code >= 4000 && code <= 4999)).toBe(true);
  });

  it.each([0, 999, 1005, 1015, 3000, 4999, Number.NaN])(
    '%d, an unknown code, leads to a reconnect with backoff',
    (code) => expect(clientActionAfterClose(code)).toBe('back-off'),
  );
});
