import { clientActionAfterClose as afterCloseOfProtocol, CLOSE_CODES } from '@polycast/protocol';
import { expect, test } from 'vitest';
import { afterClose } from './close-codes.ts';

test.each([...Object.keys(CLOSE_CODES).map(Number), 1005, 1015, 3000, 4000, 4999])(
  'the reaction to close code %i is the one of the protocol',
  (code) => {
    expect(afterClose(code)).toBe(afterCloseOfProtocol(code));
  },
);
