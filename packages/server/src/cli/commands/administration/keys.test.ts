import { describe, expect, test, vi } from 'vitest';
import { readInput } from '../../command.ts';
import { runInside } from '../../testing.ts';
import { isHubNamed } from './key-admin.ts';
import { keysList } from './keys.ts';

test.each([
  [[], {}, false],
  [[], { POLYCAST_URL: 'http://127.0.0.1:1' }, true],
  [[], { POLYCAST_KEY: 'pck_a' }, true],
  [['--key', 'pck_a'], {}, true],
  [['--data', '.'], { POLYCAST_KEY: 'pck_a', POLYCAST_URL: 'http://127.0.0.1:1' }, false],
])('keys list %j with %j is asked of a running hub: %s', (args, environment, isHub) => {
  for (const name of ['POLYCAST_URL', 'POLYCAST_KEY']) vi.stubEnv(name, undefined);
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  expect(isHubNamed(readInput(keysList, args))).toBe(isHub);
  vi.unstubAllEnvs();
});

describe('an invalid command line', () => {
  test.each([
    [['keys', 'create', 'a'], 'at least one of --publish'],
    [['keys', 'create', 'a', '--publish', 'a..b'], 'channels and patterns only'],
    [['keys', 'create', '', '--admin'], 'name'],
    [['keys', 'create', 'a', '--admin', '--expires', 'soon', '--data', '.'], '90d'],
    [['keys', 'create', 'a', '--admin', '--expires', '2020-01-01', '--data', '.'], 'future time'],
    [['keys', 'rotate', 'a', '--overlap', '9999999'], 'at most'],
    [['keys'], 'keys needs one more word: list, create'],
    [['revoke', 'everybody', '42'], 'not one of'],
    [['access', 'explain', '--user', '42'], 'one of'],
    [['access', 'explain', '--subscribe', 'a', '--publish', 'a'], 'one of'],
    [['access', 'explain', '--subscribe', 'a..b'], 'neither'],
    [['access', 'explain', '--subscribe', '@me'], 'neither'],
    [['access', 'explain', '--claims', '{}', '--subscribe', 'a'], '--user'],
    [['access', 'explain', '--user', '1', '--claims', '7', '--subscribe', 'a'], 'JSON object'],
    [['access', 'explain', '--for-key', 'a', '--subscribe', 'a'], '--url'],
    [['keys', 'list', '--url', 'http://127.0.0.1:1', '--data', '.'], 'one of them'],
    [['publish', 'a', '1', '--key', 'two words'], 'spaces'],
  ])('%j', async (args, why) => {
    const { code, err } = await runInside(args);
    expect(err).toContain(why);
    expect(code).toBe(2);
  });

  test('a key is not repeated in error messages', async () => {
    expect((await runInside(['publish', 'a', '1', '--key', 'pck_secret secret'])).err).not.toContain('pck_secret');
  });
});

describe('access explain, from the configuration alone', () => {
  const rules =
    'rules=[{pattern: orders.*, subscribe: users}, {pattern: "inbox.{user}.>", subscribe: owner}, {pattern: ask.>, subscribe: site}]';
  const site = 'identity.site.consentUrl=http://127.0.0.1:9/may';

  test.each([
    [['--user', '42', '--subscribe', 'orders.7'], 0, 'yes: user 42 may subscribe to orders.7, by rule 1 (orders.*)'],
    [
      ['--subscribe', 'orders.7'],
      1,
      'no: an anonymous caller may not subscribe to orders.7, by rule 1 (orders.*); it requires a user',
    ],
    [
      ['--user', '42', '--publish', 'orders.7'],
      1,
      'no: user 42 may not publish to orders.7, by the defaults; it requires a server with a key\nA token of the user can grant it, with "orders.7" in its claim polycast.publish.',
    ],
    [
      ['--user', '42', '--history', 'inbox.7.a'],
      1,
      'no: user 42 may not read the history of inbox.7.a, by rule 2 (inbox.{user}.>); it requires the user named in the channel\nA token of the user can grant it, with "inbox.7.a" in its claim polycast.subscribe.',
    ],
    [
      ['--user', 'a b', '--subscribe', '@me'],
      0,
      'yes: user a b may subscribe to polycast.private.-a-20b, by the private channel',
    ],
    [
      ['--user', '42', '--subscribe', 'ask.a'],
      0,
      'it depends: user 42 might subscribe to ask.a, by rule 3 (ask.>); it requires the site\'s consent\nA token of the user can grant it, with "ask.a" in its claim polycast.subscribe.',
    ],
  ])('%j', async (args, code, line) => {
    expect(await runInside(['access', 'explain', '--set', rules, '--set', site, ...args])).toEqual({
      code,
      out: `${line}\n`,
      err: '',
    });
  });

  test('without access control every caller is allowed, with the reason', async () => {
    const { out } = await runInside(['access', 'explain', '--set', 'access=loopback', '--publish', 'a']);
    expect(out).toBe('yes: an anonymous caller may publish to a, by access: loopback, so there is no access control\n');
  });
});
