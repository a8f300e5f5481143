import { expect, test } from 'vitest';
import { connectionsWithin } from './host-resources.ts';

test.each([
  ['with room for all, webhooks have as many as they may', 60_200, 10_000, 50_000],
  ['otherwise a sixth of the rest is for webhooks', 20_000, 10_000, 16_500],
  ['few webhooks leave more', 20_000, 100, 19_700],
  ['a limit that is far too low', 90, 10_000, 57],
  ['at least one', 0, 10_000, 1],
  ['where the system does not tell', undefined, 10_000, Infinity],
])('%s: %s files', (_case, files, outgoing, expected) => {
  expect(connectionsWithin(files, outgoing)).toBe(expected);
});
