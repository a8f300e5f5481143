import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { ConfigError, defaultConfig, parseConfig } from './parse.ts';
import { FIELDS, type FieldReference } from './reference.ts';
import { planReload, PRESENCE_CHANNELS } from './reload-plan.ts';
import { setPath, type Tree } from './tree.ts';

/** Other valid values of settings whose form the default does not show. */
const OTHER_VALUES: Readonly<Record<string, unknown>> = {
  listen: '127.0.0.1:9999',
  data: './elsewhere',
  publicUrl: 'https://hub.example',
  trustedProxies: ['10.0.0.0/8'],
  eventTypes: [{ name: 'order.created' }],
  'identity.tokenCookie': 'hub_token',
  'identity.site.loginUrl': 'https://shop.example/login',
  'identity.site.consentUrl': 'https://shop.example/consent',
  'identity.site.secret': 'a-secret-of-at-least-sixteen-characters',
  'identity.site.cookies': ['session'],
  'identity.site.headers': ['X-Session'],
  'outgoing.allow': ['127.0.0.1:9'],
  'outgoing.ports': [443],
  'outgoing.nameServers': ['127.0.0.53'],
  'outgoing.proxyConnectTo': 'name',
  'websub.algorithm': 'sha512',
  'websub.topics': ['https://shop.example/feed'],
  'outgoing.proxy': 'http://127.0.0.1:3128',
  'subscriptions.trustedEndpoints': ['https://shop.example'],
  'cluster.nats': ['nats://127.0.0.1:4222'],
  'cluster.monitoring': ['http://127.0.0.1:8222'],
  'telemetry.endpoint': 'http://127.0.0.1:4318',
  'telemetry.headers': { Authorization: 'Basic b3BlbjpzZXNhbWU=' },
  'telemetry.resourceAttributes': { 'deployment.environment.name': 'production' },
};

/** Settings that only fit together with others. */
const TOGETHER: Readonly<Record<string, readonly (readonly [string, unknown])[]>> = {
  'cluster.tls.certificateFile': [['cluster.tls.keyFile', 'key.pem']],
  'cluster.tls.keyFile': [['cluster.tls.certificateFile', 'certificate.pem']],
  'identity.site.loginUrl': [['identity.site.cookies', ['session']]],
};

function otherValue({ path, default: value, schema }: FieldReference): unknown {
  if (path in OTHER_VALUES) return OTHER_VALUES[path];
  if (typeof value === 'boolean') return !value;
  const candidates = [
    ...(typeof value === 'number' ? [value + 1, value - 1] : []),
    ...['none', 'loopback', 'open', 'forwarded', 'pretty', 'latest', 'https', 'any'],
    ...[1, 1000, 60_000, null, 'x'],
    ['a'],
    [],
  ];
  const other = candidates.find((each) => !isDeepStrictEqual(each, value) && z.safeParse(schema, each).success);
  if (other === undefined) throw new Error(`${path}: name another valid value in OTHER_VALUES`);
  return other;
}

describe('a change of a setting that needs a restart is named, and not applied', () => {
  const running = defaultConfig();
  const fields = FIELDS.filter(({ live = false }) => live === false);
  test.each(fields.map((field) => [field.path, field] as const))('%s', (path, field) => {
    const tree: Tree = {};
    setPath(tree, path, otherValue(field));
    for (const [other, value] of TOGETHER[path] ?? []) setPath(tree, other, value);
    const { config, applied, restart } = planReload(running, parseConfig(tree));
    expect(applied).toEqual([]);
    expect(restart).toContain(path);
    expect(config).toEqual(running);
  });
});

test('live settings take their new value, whatever else has changed', () => {
  const wanted = parseConfig({ listen: '127.0.0.1:1', limits: { batchEventsMax: 7 }, rules: [{ pattern: 'a' }] });
  const { config, applied, restart } = planReload(defaultConfig(), wanted);
  expect(applied).toEqual(['rules', 'limits.batchEventsMax']);
  expect(restart).toEqual(['listen']);
  expect(config).toEqual({ ...wanted, listen: defaultConfig().listen });
});

test('a certificate may be replaced; TLS is not turned on or off', () => {
  const tls = { certificateFile: 'a.pem', keyFile: 'a.key' };
  const other = { certificateFile: 'b.pem', keyFile: 'b.key' };
  const paths = ['tls.certificateFile', 'tls.keyFile'];
  expect(planReload(parseConfig({ tls }), parseConfig({ tls: other }))).toMatchObject({ applied: paths, restart: [] });
  expect(planReload(parseConfig({ tls }), parseConfig({}))).toMatchObject({ applied: [], restart: paths });
  expect(planReload(parseConfig({}), parseConfig({ tls }))).toMatchObject({ applied: [], restart: paths });
});

test('live settings that need the new value of another setting are refused', () => {
  const identity = { site: { consentUrl: 'https://shop.example/consent' } };
  const wanted = parseConfig({ identity, rules: [{ pattern: 'a', subscribe: 'site' }] });
  expect(() => planReload(defaultConfig(), wanted)).toThrow(ConfigError);
  expect(() => planReload(defaultConfig(), wanted)).toThrow(/needs a restart \(identity\.site\.consentUrl\)/);
});

test('presence of further channels needs a restart', () => {
  const before = parseConfig({ rules: [{ pattern: 'a', presence: 'users' }] });
  const sameChannels = parseConfig({ rules: [{ pattern: 'a', presence: 'anyone' }] });
  const further = parseConfig({ rules: [{ pattern: 'b', presence: 'users' }] });
  expect(planReload(before, sameChannels)).toMatchObject({ applied: ['rules'], restart: [] });
  expect(planReload(before, further)).toMatchObject({ applied: ['rules'], restart: [PRESENCE_CHANNELS] });
});
