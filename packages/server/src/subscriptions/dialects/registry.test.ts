import { expect, test } from 'vitest';
import { openAuthenticatedHub } from '../../testing/authenticated-hub.ts';
import { DIALECTS } from './registry.ts';

test('the OpenAPI document names every dialect, and those that can be created there', async () => {
  const hub = await openAuthenticatedHub();
  const description = await (await fetch(`${hub.url}/openapi.json`)).text();
  for (const names of [DIALECTS.names, DIALECTS.creatableNames])
    expect(description).toContain(`"enum":${JSON.stringify(names)}`);
});

test('an unknown dialect is an error', () => {
  expect(() => DIALECTS.get('none')).toThrow(/no dialect "none"/);
});
