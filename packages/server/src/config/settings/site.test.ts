import { expect, test } from 'vitest';
import { ConfigError, parseConfig } from '../parse.ts';

const login = { loginUrl: 'http://10.0.0.7/polycast/login', cookies: ['PHPSESSID'] };

function problems(config: object): string[] {
  try {
    parseConfig(config);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
  return [];
}

test('the site may have a private address, because the operator configures it', () => {
  expect(parseConfig({ identity: { site: login } }).identity.site).toMatchObject({ ...login, concurrentMax: 16 });
});

test.each(['ftp://site.example/', 'https://a:b@site.example/', '/login', 'http://site.example/#x'])(
  '%s is refused as the address of a site',
  (loginUrl) => {
    expect(problems({ identity: { site: { ...login, loginUrl } } })).toEqual([
      expect.stringMatching(/^identity\.site\.loginUrl: must be /),
    ]);
  },
);

test.each(['Cookie', 'origin', 'Host', 'content-type', 'transfer-encoding', 'Polycast-Secret', 'a b', 'a\r\nb'])(
  'the header %j cannot be forwarded',
  (name) => {
    expect(problems({ identity: { site: { ...login, headers: [name] } } })).toHaveLength(1);
  },
);

test("a login needs a cookie or header to forward, and a rule with `site` needs the site's address", () => {
  expect(problems({ identity: { site: { loginUrl: login.loginUrl } } })).toEqual([
    expect.stringMatching(/^identity\.site\.cookies: /),
  ]);
  expect(problems({ rules: [{ pattern: 'a', subscribe: ['users', 'site'] }] })).toEqual([
    expect.stringMatching(/^identity\.site\.consentUrl: /),
  ]);
});

test('an invalid secret is not repeated', () => {
  const [problem] = problems({ identity: { site: { ...login, secret: 'hunter2' } } });
  expect(problem).toMatch(/^identity\.site\.secret: /);
  expect(problem).not.toContain('hunter2');
});
