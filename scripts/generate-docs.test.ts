import { expect, test } from 'vitest';
import { stalePages } from './generate-docs.ts';

test('the reference matches the code', async () => {
  expect([...(await stalePages()).keys()]).toEqual([]);
});
