import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from './config/load.ts';
import { openHub } from './hub.ts';
import { OPERATIONS } from './operate/api/all-operations.ts';

/** Answered, and no operation of the API. */
const PAGES = ['GET /client.js', 'GET /client/presence.js', 'GET /client/tabs.js'];

test('what a hub answers is what its description says', async () => {
  const { config } = loadConfig({
    settings: ['access=rules', 'listen=127.0.0.1:0', 'data=:memory:', 'logging.level=error'],
  });
  const hub = await openHub(config);
  onTestFinished(() => hub.close());
  const described = OPERATIONS.map(({ method, path }) => `${method} ${path}`);
  expect(hub.routes.toSorted()).toEqual([...described, ...PAGES].toSorted());
});
