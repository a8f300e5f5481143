import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from './config/load.ts';
import { openHub } from './hub.ts';
import { describeApi } from './http/openapi/operations.ts';
import { routeName } from './http/route.ts';

/** Answered, and no operation of the API. */
const PAGES = [
  'GET /client.js',
  'GET /client/presence.js',
  'GET /client/tabs.js',
  'GET /client/outbox.js',
  'GET /console',
  'GET /console/',
  'GET /console/*',
  'GET /portal',
  'GET /portal/',
  'GET /portal/*',
];

test("a hub's answers match its OpenAPI document", async () => {
  const { config } = loadConfig({
    settings: ['access=rules', 'listen=127.0.0.1:0', 'data=:memory:', 'logging.level=error'],
  });
  const hub = await openHub(config);
  onTestFinished(() => hub.close());
  const { operations } = describeApi(hub.routes);
  const described = operations.map(({ method, path }) => `${method} ${path}`);
  expect(hub.routes.map(routeName).toSorted()).toEqual([...described, ...PAGES].toSorted());
});

test.each([
  ['its address is taken', (taken: string) => [`listen=${taken}`], /EADDRINUSE/],
  [
    'its certificate is not there',
    () => ['listen=127.0.0.1:0', 'tls.certificateFile=/none/cert.pem', 'tls.keyFile=/none/key.pem'],
    /ENOENT/,
  ],
])('a hub that cannot open because %s releases its data folder', async (_why, settings, error) => {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-hub-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const configOf = (...more: string[]): ReturnType<typeof loadConfig>['config'] =>
    loadConfig({ settings: [`data=${folder}`, 'logging.level=silent', 'listen=127.0.0.1:0', ...more] }).config;
  const other = await openHub(configOf('data=:memory:'));
  onTestFinished(() => other.close());
  await expect(openHub(configOf(...settings(`127.0.0.1:${other.port}`)))).rejects.toThrow(error);
  const hub = await openHub(configOf());
  await hub.close();
});
