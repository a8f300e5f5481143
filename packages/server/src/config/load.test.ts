import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig, type ConfigSources } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'polycast-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, `${Math.random()}.yaml`);
  writeFileSync(path, text);
  return path;
}

function problems(sources: ConfigSources): string {
  try {
    loadConfig(sources);
    return 'no problem';
  } catch (error) {
    return (error as Error).message.replaceAll(folder, '');
  }
}

test('without any source every field has its default', () => {
  const { config, origins } = loadConfig({});
  expect(config.listen).toBe('127.0.0.1:7400');
  expect(config.delivery.heartbeatMs).toBe(25_000);
  expect(origins.size).toBe(0);
});

test('flags override the environment, the environment overrides the file, the file overrides the preset', () => {
  const sources = {
    preset: { drain: { timeMs: 1 }, logging: { level: 'warn', format: 'pretty' }, delivery: { heartbeatMs: 1001 } },
    file: file('logging: { level: error }\ndrain: { timeMs: 2 }\ndelivery: { reconnectMs: 501 }\n'),
    environment: { POLYCAST_DRAIN_TIME_MS: '3', POLYCAST_DELIVERY_RECONNECT_MS: '502', HOME: '/' },
    settings: ['drain.timeMs=4'],
  };
  const { config, origins } = loadConfig(sources);
  expect(config.logging).toEqual({ level: 'error', format: 'pretty' });
  expect(config.delivery).toMatchObject({ heartbeatMs: 1001, reconnectMs: 502 });
  expect(config.drain.timeMs).toBe(4);
  expect(origins.get('drain.timeMs')).toBe('--set drain.timeMs');
  expect(origins.get('delivery.reconnectMs')).toBe('POLYCAST_DELIVERY_RECONNECT_MS');
});

test('a variable is read as text, numbers, null, a boolean or a list, as its field requires', () => {
  const { config } = loadConfig({
    environment: {
      POLYCAST_DATA: '0123',
      POLYCAST_DEFAULTS_HISTORY_COUNT_MAX: 'null',
      POLYCAST_LAB_ENABLED: 'true',
      POLYCAST_ALLOWED_ORIGINS: 'https://a.example, https://b.example',
      POLYCAST_RULES: '[{pattern: "chat.>", retain: none}]',
      POLYCAST_TLS_CERTIFICATE_FILE: 'null',
    },
  });
  expect(config).toMatchObject({
    data: '0123',
    defaults: { historyCountMax: null },
    lab: { enabled: true },
    allowedOrigins: ['https://a.example', 'https://b.example'],
    rules: [{ pattern: 'chat.>', retain: 'none' }],
    tls: { certificateFile: null },
  });
});

test('a rule may leave settings out and set them to null', () => {
  const { config } = loadConfig({ file: file('rules:\n  - pattern: a.*\n    historyCountMax: null\n') });
  expect(config.rules[0]).toEqual({ pattern: 'a.*', historyCountMax: null });
});

test('all problems are reported together, each with its line and the nearest known name', () => {
  const path = file(
    'heartbeatMs: 5\nlimits:\n  bodyByteMax: 3\n  connectionsMax: many\nrules:\n  - pattern: a..b\n    retains: x\n',
  );
  const reported = problems({ file: path, environment: { POLYCAST_LISTN: 'x', POLYCAST_DRAIN_TIME_MS: 'soon' } });
  expect(reported.replaceAll(/\/0\.\d+/g, 'hub')).toMatchInlineSnapshot(`
    "POLYCAST_LISTN: sets no known field; did you mean POLYCAST_LISTEN?
    rules.0.pattern: must be a channel pattern: tokens of A-Z a-z 0-9 _ - joined by dots, \`*\` for one token, a last \`>\` for the rest, \`{user}\` for the name of the user (hub.yaml:6)
    rules.0.retains: is not a known field; did you mean \`retain\`? (hub.yaml:7)
    limits.connectionsMax: must be whole number of connections, 1 to 10,000,000; it is "many" (hub.yaml:4)
    limits.bodyByteMax: is not a known field; did you mean \`limits.bodyBytesMax\`? (hub.yaml:3)
    drain.timeMs: must be whole number of milliseconds, 0 to 3,600,000; it is "soon" (POLYCAST_DRAIN_TIME_MS)
    heartbeatMs: is not a known field; did you mean \`delivery.heartbeatMs\`? (hub.yaml:1)"
  `);
});

test('variables that Kubernetes sets for a service named polycast are ignored', () => {
  const environment = {
    POLYCAST_PORT: 'tcp://10.0.0.1:80',
    POLYCAST_PORT_80_TCP: 'x',
    POLYCAST_SERVICE_HOST: '10.0.0.1',
  };
  expect(problems({ environment })).toBe('no problem');
});

test('a file that is missing, is not YAML, or has no fields is refused with an explanation', () => {
  expect(problems({ file: join(folder, 'missing.yaml') })).toMatch(/cannot be read: ENOENT/);
  expect(problems({ file: file('a: [1\nb: 2\n') })).toMatch(/yaml:2: /);
  expect(problems({ file: file('- a\n') })).toMatch(/must contain fields/);
  expect(problems({ file: file('') })).toBe('no problem');
});

test('a setting of the wrong form is refused', () => {
  expect(problems({ settings: ['listen'] })).toMatch(/must be path=value/);
  expect(problems({ settings: ['lissten=127.0.0.1:1'] })).toMatch(/did you mean `listen`\?/);
});

test('keys with the names of built-in members are only unknown keys', () => {
  const reported = problems({
    file: file('__proto__: { listen: "127.0.0.1:1" }\nconstructor: 1\n'),
    settings: ['__proto__.x=1'],
  });
  expect(reported).toMatch(/__proto__: is not a known field/);
  expect(reported).toMatch(/constructor: is not a known field/);
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
});

describe("OpenTelemetry's variables", () => {
  const telemetryOf = (environment: Readonly<Record<string, string>>): object =>
    loadConfig({ environment }).config.telemetry;

  test('set the settings of telemetry', () => {
    const environment = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20abc=, x-tenant=7',
      OTEL_SERVICE_NAME: 'shop-hub',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
      OTEL_METRIC_EXPORT_INTERVAL: '',
    };
    expect(telemetryOf(environment)).toMatchObject({
      endpoint: 'http://collector:4318',
      headers: { authorization: 'Basic abc=', 'x-tenant': '7' },
      serviceName: 'shop-hub',
      resourceAttributes: { 'deployment.environment.name': 'test' },
      metrics: false,
      traces: true,
      sampleRatio: 0.25,
      metricsIntervalMs: 60_000,
    });
  });

  test('give way to those of the hub, and to OTEL_SDK_DISABLED', () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
    expect(telemetryOf({ ...endpoint, POLYCAST_TELEMETRY_ENDPOINT: 'http://other:4318' })).toMatchObject({
      endpoint: 'http://other:4318',
    });
    expect(telemetryOf({ ...endpoint, OTEL_SDK_DISABLED: 'true' })).toMatchObject({ endpoint: null });
    expect(telemetryOf({ OTEL_SERVICE_NAME: 'shop' })).toMatchObject({ endpoint: null });
  });

  test('are named in the problem that they cause', () => {
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' };
    expect(() => loadConfig({ environment })).toThrow(/OTEL_EXPORTER_OTLP_ENDPOINT/);
  });
});
