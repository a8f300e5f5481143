import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runCli, runInside, startCli, temporaryFolder, type RunningCli } from '../../testing.ts';

const KEY = /^pck_[0-9A-Za-z]{12}_[0-9A-Za-z]{32}$/m;

interface Served {
  readonly cli: RunningCli;
  readonly url: string;
}

async function serve(data: string, ...more: readonly string[]): Promise<Served> {
  const cli = startCli([
    'serve',
    '--listen',
    '127.0.0.1:0',
    '--data',
    data,
    '--set',
    'drain.timeMs=0',
    '--set',
    'logging.level=error',
    ...more,
  ]);
  const [, url = ''] = await cli.outMatches(/listening on (\S+)\n/);
  return { cli, url };
}

/** Starts a hub that has just made its first key. */
async function serveFirst(data = ':memory:', ...more: readonly string[]): Promise<Served & { readonly key: string }> {
  const { cli, url } = await serve(data, ...more);
  const [key] = await cli.outMatches(/^pck_\S+$/m);
  return { cli, url, key };
}

async function stop({ cli }: Served): Promise<void> {
  cli.child.kill('SIGTERM');
  await cli.ended;
}

describe('serve', () => {
  test('creates a first key, and requests without it are refused', async () => {
    const { url, key } = await serveFirst();
    expect(key).toMatch(KEY);
    const refused = await runCli(['publish', 'a', '1', '--url', url]);
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain('unauthorized');
    expect((await runCli(['publish', 'a', '1', '--url', url, '--key', key])).code).toBe(0);
    expect((await runCli(['publish', 'a', '2', '--url', url], { env: { POLYCAST_KEY: key } })).code).toBe(0);
    const follow = ['follow', 'a', '--after', 'earliest', '--count', '2', '--json', '--url', url];
    const { code, out } = await runCli(follow, { env: { POLYCAST_KEY: key } });
    expect(code).toBe(0);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { data: unknown }).data),
    ).toEqual([1, 2]);
    expect((await runCli(follow)).err).toContain('unauthorized');
  });

  test('prints it once: not after a restart, not after kill -9; the key stays valid', async () => {
    const data = temporaryFolder();
    const first = await serveFirst(data);
    first.cli.child.kill('SIGKILL');
    await first.cli.ended;
    const second = await serve(data);
    expect((await runCli(['publish', 'a', '1', '--url', second.url, '--key', first.key])).code).toBe(0);
    await stop(second);
    expect(second.cli.out()).not.toMatch(KEY);
  });

  test('creates none without access control', async () => {
    const hub = await serve(':memory:', '--set', 'access=loopback');
    await stop(hub);
    expect(hub.cli.out()).not.toContain('pck_');
  });

  test('does not start with a damaged file of keys, and prints what to do', async () => {
    const data = temporaryFolder();
    writeFileSync(join(data, 'identity.sqlite'), 'no database at all, and longer than nothing');
    const { code, err } = await runCli(['serve', '--listen', '127.0.0.1:0', '--data', data]);
    expect(code).toBe(1);
    expect(err).toMatch(/identity\.sqlite is damaged.*backup/);
    expect(err).not.toContain('internal');
  });
});

describe('keys, with a running hub', () => {
  test('are created, listed, rotated and revoked', async () => {
    const { url, key } = await serveFirst();
    const env = { POLYCAST_KEY: key, POLYCAST_URL: url };
    const created = await runCli(['keys', 'create', 'shop', '--publish', 'orders.>'], { env });
    // Only the key, so that a script can read it.
    expect(created.out.trim()).toMatch(KEY);
    const shop = created.out.trim();
    const id = shop.slice(4, 16);
    expect((await runCli(['publish', 'orders.1', '1', '--key', shop], { env: { POLYCAST_URL: url } })).code).toBe(0);
    expect((await runCli(['publish', 'news', '1', '--key', shop], { env: { POLYCAST_URL: url } })).err).toContain(
      'forbidden',
    );
    const listed = await runCli(['keys', 'list'], { env });
    expect(listed.out).toMatch(new RegExp(`^${id}  shop   publish:orders\\.>`, 'm'));
    expect(listed.out).not.toContain(shop);
    const rotated = await runCli(['keys', 'rotate', id, '--overlap', '0'], { env });
    expect(rotated.out.trim()).toMatch(KEY);
    expect((await runCli(['publish', 'orders.1', '1', '--key', shop], { env: { POLYCAST_URL: url } })).code).toBe(1);
    expect((await runCli(['keys', 'revoke', rotated.out.trim()], { env })).out).toBe(`revoked ${id}\n`);
    expect((await runCli(['keys', 'revoke', id], { env })).err).toContain('not_found');
    const audit = await runCli(['audit', '--json'], { env });
    const actions = audit.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { action: string }).action);
    expect(actions).toEqual(['key.created', 'key.created', 'key.rotated', 'key.revoked']);
    expect(audit.out).not.toContain(shop.slice(-32));
  });

  test('a created key exists after kill -9, and a revoked one does not', async () => {
    const data = temporaryFolder();
    const first = await serveFirst(data);
    const env = { POLYCAST_KEY: first.key, POLYCAST_URL: first.url };
    const [one, other] = await Promise.all(
      ['one', 'other'].map(async (name) =>
        (await runCli(['keys', 'create', name, '--publish', '>'], { env })).out.trim(),
      ),
    );
    await runCli(['keys', 'revoke', other as string], { env });
    await runCli(['revoke', 'user', '42'], { env });
    first.cli.child.kill('SIGKILL');
    await first.cli.ended;
    const { url } = await serve(data);
    expect((await runCli(['publish', 'a', '1', '--url', url, '--key', one as string])).code).toBe(0);
    expect((await runCli(['publish', 'a', '1', '--url', url, '--key', other as string])).code).toBe(1);
    const explained = await runCli([
      'access',
      'explain',
      '--user',
      '42',
      '--subscribe',
      '@me',
      '--url',
      url,
      '--key',
      first.key,
    ]);
    expect(explained.out).toMatch(
      /^yes: user 42 may subscribe to polycast\.private\.42, by the private channel\nCredentials of the user issued before .* are revoked\.\n$/,
    );
  });

  test('every acknowledged revocation survives kill -9 in the middle of many', async () => {
    const data = temporaryFolder();
    const first = await serveFirst(data);
    const headers = { authorization: `Bearer ${first.key}`, 'content-type': 'application/json' };
    const answered: string[] = [];
    const revoke = async (user: string): Promise<void> => {
      const body = JSON.stringify({ user });
      const { status } = await fetch(`${first.url}/v1/revocations`, { method: 'POST', headers, body });
      if (status === 201) answered.push(user);
      if (answered.length === 150) first.cli.child.kill('SIGKILL');
    };
    // In waves: at the kill some are on the disk, some wait, and some have not been sent.
    const waves = Array.from({ length: 20 }, async (_, wave) => {
      for (let index = 0; index < 50; index++) await revoke(`user-${wave}-${index}`);
    });
    await Promise.allSettled(waves);
    expect(answered.length).toBeGreaterThanOrEqual(150);
    expect(answered.length).toBeLessThan(1000);
    await first.cli.ended;
    const { url } = await serve(data);
    for (const user of answered) {
      const explained = await fetch(`${url}/v1/access/explain?user=${user}&subscribe=a`, { headers });
      expect(await explained.json()).toMatchObject({ revokedBefore: expect.any(String) });
    }
  });

  test.each([['keys list'], ['publish a 1'], ['follow a']])(
    'without a key the error names what is missing: %s',
    async (line) => {
      const { url } = await serveFirst();
      const { code, err } = await runCli([...line.split(' '), '--url', url]);
      expect(code).toBe(1);
      expect(err).toContain('POLYCAST_KEY');
    },
  );
});

describe('keys, in the folder of a stopped hub', () => {
  test('are created before the first start, and the hub accepts them', async () => {
    const data = temporaryFolder();
    const made = await runCli([
      'keys',
      'create',
      'boss',
      '--admin',
      '--publish',
      '>',
      '--expires',
      '90d',
      '--data',
      data,
      '--json',
    ]);
    const { key, expires } = JSON.parse(made.out) as { key: string; expires: string };
    expect(Date.parse(expires) - Date.now()).toBeGreaterThan(89.9 * 86_400_000);
    const hub = await serve(data);
    expect((await runCli(['publish', 'a', '1', '--url', hub.url, '--key', key])).code).toBe(0);
    // A key exists already, so the hub makes none.
    expect(hub.cli.out()).not.toMatch(KEY);
    const busy = await runCli(['keys', 'list', '--data', data]);
    expect(busy).toMatchObject({ code: 1 });
    expect(busy.err).toContain('--url');
    await stop(hub);
    const listed = await runCli(['keys', 'list', '--data', data]);
    expect(listed.out).toMatch(/boss {2}publish admin {2}used /);
    await runCli(['keys', 'revoke', key, '--data', data]);
    const { out } = await runCli(['audit', '--data', data]);
    expect(out).toMatch(/key\.created .* by operator/);
    expect(out).toMatch(/key\.revoked .* by operator/);
  });

  test('an operator who has lost all keys can create another', async () => {
    const data = temporaryFolder();
    await stop(await serveFirst(data));
    const { out } = await runCli(['keys', 'create', 'again', '--admin', '--data', data]);
    const { url } = await serve(data);
    expect((await runCli(['keys', 'list', '--url', url, '--key', out.trim()])).code).toBe(0);
  });

  test('a missing folder is not created', async () => {
    const data = join(temporaryFolder(), 'none');
    for (const args of [['keys', 'list'], ['keys', 'create', 'a', '--admin'], ['audit']])
      expect((await runCli([...args, '--data', data])).code, args.join(' ')).toBe(1);
    expect(existsSync(data)).toBe(false);
    expect((await runInside(['keys', 'list', '--data', ':memory:'])).code).toBe(2);
  });
});
