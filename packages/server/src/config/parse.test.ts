import { expect, test } from 'vitest';
import { FIELDS } from './reference.ts';
import { ConfigError, defaultConfig, parseConfig } from './parse.ts';

function problems(value: unknown): readonly string[] {
  try {
    parseConfig(value);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ path, message }) => `${path}: ${message}`);
  }
}

test('the defaults are a valid configuration, and parsing does not change them', () => {
  expect(parseConfig(defaultConfig())).toEqual(defaultConfig());
});

test('two configurations share no mutable object', () => {
  expect(defaultConfig().rules).not.toBe(defaultConfig().rules);
});

test('every field has a description, an effect and a reason for its default', () => {
  for (const { path, form, doc, why } of FIELDS) {
    for (const text of [form, doc, why]) expect(text.length, path).toBeGreaterThan(5);
    for (const text of [doc, why]) expect(text, path).toMatch(/\.$/);
  }
});

test('every variable sets one field', () => {
  const names = FIELDS.map(({ environment }) => environment);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toContain('POLYCAST_LIMITS_CHANNELS_PER_CONSUMER_MAX');
});

test.each(['127.0.0.1:0', 'localhost:80', '127.9.9.9:1', '[::1]:7400', '[0:0::1]:7400'])(
  'without access control the hub may listen on %s',
  (listen) => {
    expect(problems({ listen })).toEqual([]);
  },
);

test.each(['0.0.0.0:80', '[::]:80', '192.168.0.1:80', 'example.com:80', '[::ffff:127.0.0.1]:80'])(
  'without access control %s is refused unless it is configured',
  (listen) => {
    expect(problems({ listen, access: 'loopback' })[0]).toMatch(/^listen: .* set access: open/);
    expect(problems({ listen, access: 'open' })).toEqual([]);
  },
);

test.each(['7400', ':7400', 'a:b', '::1:80', '[::1]', '[localhost]:1', '127.0.0.1:65536', ''])(
  '"%s" is refused as an address to listen on',
  (listen) => {
    expect(problems({ listen })[0]).toMatch(/is not host:port/);
  },
);

test('the port and host of other servers lead to `listen`', () => {
  const suggested = (value: object): string => problems(value)[0]?.split('did you mean ')[1] ?? '';
  expect(suggested({ port: 7450 })).toBe('`listen: 127.0.0.1:7450`?');
  expect(suggested({ host: '0.0.0.0', port: '80' })).toBe('`listen: 0.0.0.0:80`?');
  expect(suggested({ host: '::1' })).toBe('`listen: [::1]:7400`?');
});

test('TLS needs both of its files', () => {
  expect(problems({ tls: { certificateFile: 'a.pem' } })[0]).toMatch(/^tls\.keyFile: must also be set/);
  expect(problems({ tls: { keyFile: 'a.pem' } })[0]).toMatch(/^tls\.certificateFile: must also be set/);
  expect(problems({ tls: { certificateFile: 'a.pem', keyFile: 'b.pem' } })).toEqual([]);
});

test.each(['https://a.example/', 'a.example', 'https://A.example', 'null', 'ftp://a'])(
  '"%s" is refused as an origin',
  (origin) => {
    expect(problems({ allowedOrigins: [origin] })[0]).toMatch(/^allowedOrigins\.0: /);
  },
);

test('an event limit that no body can reach is refused', () => {
  expect(
    problems({
      rules: [{ pattern: '>', eventBytesMax: 100_000 }],
      limits: { bodyBytesMax: 2000, appendQueueBytesMax: 1e6 },
    }),
  ).toEqual([
    expect.stringMatching(/^defaults\.eventBytesMax: must not be more/),
    expect.stringMatching(/^rules\.0\.eventBytesMax: must not be more/),
  ]);
});

test('wrong types, ranges and words are reported by field', () => {
  expect(
    problems({
      delivery: { heartbeatMs: 1, batchBytesMax: 5000.5, pollWaitMaxSeconds: '60' },
      access: 'closed',
      rules: {},
      drain: 7,
    }).map((text) => text.split(':')[0]),
  ).toEqual(
    expect.arrayContaining([
      'delivery.heartbeatMs',
      'delivery.batchBytesMax',
      'delivery.pollWaitMaxSeconds',
      'access',
      'rules',
      'drain',
    ]),
  );
});

test('a missing or wrong member of a list is reported in plain words, without repeating a secret', () => {
  const wrong = { rules: [{ subscribe: 'anyone' }, { pattern: 5 }], identity: { tokens: [{ issuer: 4, keys: [] }] } };
  expect(() => parseConfig(wrong)).toThrow(
    expect.objectContaining({
      problems: expect.arrayContaining([
        { path: 'rules.0.pattern', message: 'is missing: it must be a text' },
        { path: 'rules.1.pattern', message: 'must be a text; it is 5' },
        { path: 'identity.tokens.0.issuer', message: 'must be a text' },
      ]),
    }),
  );
});

test('pages of the same machine are allowed only if no other machine can connect', () => {
  expect(() => parseConfig({ access: 'open', listen: '0.0.0.0:80', localPages: 'loopback' })).toThrow(
    /localPages: must be none, because 0\.0\.0\.0 is reachable/,
  );
  expect(parseConfig({ localPages: 'files' }).localPages).toBe('files');
});

test('an unknown key without a similar one names the reference', () => {
  expect(problems({ zzzzzzzz: 1 })[0]).toMatch(/polycast config reference/);
});
