import { expect, test } from 'vitest';
import { ConfigError, parseConfig } from '../parse.ts';

const SECRET = 'a secret of thirty-two bytes or more';
const key = { algorithm: 'HS256', secret: SECRET };

function problems(config: object): string[] {
  try {
    parseConfig(config);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
  return [];
}

function tokens(...list: object[]): object {
  return { identity: { tokens: list } };
}

test('an issuer needs only a key', () => {
  const [issuer] = parseConfig(tokens({ keys: [key] })).identity.tokens;
  expect(issuer).toEqual({ userClaim: 'sub', leewaySeconds: 5, lifetimeMaxSeconds: 604_800, keys: [key] });
});

test('an issuer that is an https URL needs nothing else: discovery finds its keys', () => {
  const issuer = { issuer: 'https://login.example/realms/shop', algorithms: ['RS256'] };
  expect(parseConfig(tokens(issuer)).identity.tokens[0]).toMatchObject(issuer);
});

test('one audience is a list of one', () => {
  expect(parseConfig(tokens({ audience: 'hub', keys: [key] })).identity.tokens[0]?.audience).toEqual(['hub']);
});

test.each<[what: string, issuer: object]>([
  ['neither keys nor a jwksUrl, and a name that is not a URL', { issuer: 'a' }],
  ['neither, and no name', { audience: 'hub' }],
  ['neither, and a URL by plain http', { issuer: 'http://login.example' }],
  ['neither, and a URL with a query', { issuer: 'https://login.example?tenant=1' }],
  ['neither, and a URL with a password', { issuer: 'https://me:secret@login.example' }],
  ['both', { keys: [key], jwksUrl: 'https://a.example/jwks' }],
  ['no key in its list', { keys: [] }],
  ['algorithms for keys that have their own', { keys: [key], algorithms: ['ES256'] }],
  ['HS256 for keys that anybody can fetch', { jwksUrl: 'https://a.example/jwks', algorithms: ['HS256'] }],
  ['none', { keys: [{ algorithm: 'none', secret: SECRET }] }],
  ['a key without material', { keys: [{ algorithm: 'HS256' }] }],
  ['a key with two', { keys: [{ ...key, secretFile: 'a' }] }],
  ['a public key for HS256', { keys: [{ algorithm: 'HS256', publicKey: 'a' }] }],
  ['a secret for ES256', { keys: [{ algorithm: 'ES256', secret: SECRET }] }],
  ['a URL with a password', { jwksUrl: 'https://a:b@a.example/' }],
  ['a URL of another scheme', { jwksUrl: 'file:///etc/passwd' }],
  ['a leeway of an hour', { keys: [key], leewaySeconds: 3600 }],
  ['a member that is not known', { keys: [key], audiance: 'hub' }],
])('an issuer with %s is refused', (_what, issuer) => {
  expect(problems(tokens(issuer))).toEqual([expect.stringMatching(/^identity\.tokens\.0/)]);
});

test('two issuers with one name, or two without a name, are refused', () => {
  expect(problems(tokens({ issuer: 'a', keys: [key] }, { issuer: 'a', keys: [key] }))).toHaveLength(1);
  expect(problems(tokens({ keys: [key] }, { keys: [key] }))).toHaveLength(1);
});

test("a token lifetime longer than a revocation's is refused", () => {
  const month = 30 * 86_400;
  expect(problems(tokens({ keys: [key], lifetimeMaxSeconds: month - 10 }))).toEqual([]);
  expect(problems(tokens({ keys: [key], lifetimeMaxSeconds: month - 9 }))).toEqual([
    expect.stringMatching(/^identity\.tokens\.0\.lifetimeMaxSeconds: must be less/),
  ]);
});

test('an invalid secret is not repeated', () => {
  const config = { identity: { tokens: { keys: [{ algorithm: 'HS256', secret: 'hunter2' }] } } };
  expect(problems(config)).toEqual([expect.stringMatching(/^identity\.tokens: must be list/)]);
  expect(problems(config).join()).not.toContain('hunter2');
});

test.each([
  '10.0.0.0/8',
  '10.0.0.1:8080',
  '[fd12::1]:9000',
  'fd00::/8',
  '::1',
  'idp.corp.example',
  '*.corp.example:8443',
  'localhost:3000',
  '127.0.0.1:*',
  '10.0.0.0/8:*',
  '[fd12::1]:*',
  '*.corp.example:*',
])('%s is valid in outgoing.allow', (entry) => {
  expect(problems({ outgoing: { allow: [entry], deny: [entry] } })).toEqual([]);
});

test.each([
  '',
  '10.0.0.0/33',
  '10.0.0',
  '10.0.0.1:0',
  '10.0.0.1:70000',
  '10.0.0.1:**',
  '10.0.0:*',
  'fd00::/8:*',
  'fd00::/129',
  'https://a.example',
  'a.example/',
  '*',
  '*.*.example',
  'a..b',
  '-a.example',
  '[10.0.0',
])('"%s" is refused', (entry) => {
  expect(problems({ outgoing: { allow: [entry] } })).toHaveLength(1);
});
