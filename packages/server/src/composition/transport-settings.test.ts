import { expect, test } from 'vitest';
import { parseConfig } from '../config/parse.ts';
import { httpSettings } from './transport-settings.ts';

test.each([
  ['127.0.0.1:0', null],
  ['[::1]:0', null],
  ['localhost:0', null],
  ['0.0.0.0:0', 7],
  ['[::]:0', 7],
  ['hub.example:0', 7],
])('a hub that listens on %s limits the connections of a public address to %s', async (listen, expected) => {
  const config = parseConfig({ listen, limits: { connectionsPerPublicAddressMax: 7 } });
  expect((await httpSettings(config)).connectionsPerPublicAddressMax).toBe(expected);
});
