import { expect, test } from 'vitest';
import { openAuthenticatedHub } from '../../testing/authenticated-hub.ts';
import { DIALECTS } from './registry.ts';

test('the description of the API names every dialect, and those that can be created together', async () => {
  const hub = await openAuthenticatedHub();
  const description = await (await fetch(`${hub.url}/openapi.json`)).text();
  for (const names of [DIALECTS.names, DIALECTS.creatableNames])
    expect(description).toContain(`"enum":${JSON.stringify(names)}`);
});

test('a name that no dialect has is an error', () => {
  expect(() => DIALECTS.get('none')).toThrow(/no dialect "none"/);
});
