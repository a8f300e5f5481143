import { expect, test } from 'vitest';
import { stalePages } from './generate-docs.ts';

test('the reference is in step with the code', async () => {
  expect([...(await stalePages()).keys()]).toEqual([]);
});
