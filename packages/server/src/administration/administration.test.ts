import { describe, expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../config/load.ts';
import { openHub } from '../hub.ts';
import { AdminClient, type Answer } from './testing.ts';

async function openAdminKit(...settings: string[]): Promise<AdminClient> {
  const { config } = loadConfig({
    settings: [
      'access=rules',
      'listen=127.0.0.1:0',
      'data=:memory:',
      'logging.level=silent',
      'drain.timeMs=0',
      ...settings,
    ],
  });
  const hub = await openHub(config);
  onTestFinished(() => hub.close());
  return new AdminClient(hub);
}

const PUBLISH = ['/v1/channels/orders.7/events', '1'] as const;

describe('keys', () => {
  test('are made, listed, changed, rotated and revoked', async () => {
    const kit = await openAdminKit();
    const made = await kit.request('POST', '/v1/keys', {
      name: 'shop',
      scopes: { publish: ['orders.>'] },
      expires: '2099-01-01T00:00:00Z',
    });
    expect(made.status).toBe(201);
    expect(made.headers.get('cache-control')).toBe('no-store');
    const { key, ...shown } = made.body as { key: string; id: string };
    expect(made.headers.get('location')).toBe(`/v1/keys/${shown.id}`);
    expect(shown).toMatchObject({
      name: 'shop',
      scopes: { publish: ['orders.>'] },
      expires: '2099-01-01T00:00:00.000Z',
      lastUsed: null,
    });
    expect((await kit.request('GET', `/v1/keys/${shown.id}`)).body).toEqual(shown);
    expect((await kit.request('POST', ...PUBLISH, key)).status).toBe(201);

    const changed = await kit.request('PATCH', `/v1/keys/${shown.id}`, {
      scopes: { publish: ['news.>'] },
      expires: null,
    });
    expect(changed.body).toMatchObject({ name: 'shop', scopes: { publish: ['news.>'] }, expires: null });
    expect((await kit.request('POST', ...PUBLISH, key)).body).toMatchObject({ code: 'forbidden', rule: 'the key' });

    const rotated = await kit.request('POST', `/v1/keys/${shown.id}/rotate`, { overlapSeconds: 0 });
    expect(rotated.body['key']).not.toBe(key);
    expect((await kit.request('POST', ...PUBLISH, key)).body).toMatchObject({ code: 'unauthorized' });
    expect((await kit.request('POST', '/v1/channels/news.1/events', '1', rotated.body['key'] as string)).status).toBe(
      201,
    );

    expect((await kit.request('DELETE', `/v1/keys/${shown.id}`)).status).toBe(204);
    expect((await kit.request('DELETE', `/v1/keys/${shown.id}`)).body).toMatchObject({ code: 'not_found' });
    expect((await kit.request('GET', '/v1/keys')).body['keys']).toHaveLength(1);
  });

  test('a rotation without a body keeps the old secret valid for a day', async () => {
    const kit = await openAdminKit();
    const { id, text } = await kit.createKey({ publish: ['>'] });
    const { body } = await kit.request('POST', `/v1/keys/${id}/rotate`);
    const untilMs = Date.parse(body['overlapUntil'] as string) - Date.now();
    expect(untilMs).toBeGreaterThan(86_000_000);
    expect(untilMs).toBeLessThanOrEqual(86_400_000);
    expect((await kit.request('POST', ...PUBLISH, text)).status).toBe(201);
  });

  test.each<[unknown, string]>([
    [{}, 'name'],
    [{ name: 'a' }, 'scopes'],
    [{ name: '', scopes: { publish: ['>'] } }, 'name'],
    [{ name: 'x'.repeat(101), scopes: { publish: ['>'] } }, 'name'],
    [{ name: 'a\nb', scopes: { publish: ['>'] } }, 'name'],
    [{ name: 'a\ud83d', scopes: { publish: ['>'] } }, 'name'],
    [{ name: 'a', scopes: ['admin'] }, 'scopes'],
    [{ name: 'a', scopes: { everything: ['>'] } }, 'scopes'],
    [{ name: 'a', scopes: { publish: ['>'] }, expires: '2020-01-01T00:00:00Z' }, 'expires'],
    [{ name: 'a', scopes: { publish: ['>'] }, expires: 'tomorrow' }, 'expires'],
    [{ name: 'a', scopes: { publish: ['>'] }, expires: 4_000_000_000_000 }, 'expires'],
    [{ name: 'a', scopes: { publish: ['>'] }, secret: 'mine' }, 'secret'],
  ])('%j is refused with the reason', async (body, member) => {
    const kit = await openAdminKit();
    expect(await kit.request('POST', '/v1/keys', body)).toMatchObject({
      status: 400,
      body: { code: 'invalid_body', member },
    });
    expect((await kit.request('GET', '/v1/keys')).body['keys']).toHaveLength(1);
  });

  test('a body that is not JSON is refused', async () => {
    const kit = await openAdminKit();
    expect((await kit.request('POST', '/v1/keys', '[]')).body).toMatchObject({ code: 'invalid_body' });
    expect((await kit.request('POST', '/v1/keys', '{')).body).toMatchObject({ code: 'invalid_json' });
    expect((await kit.request('POST', '/v1/keys', `{"name":"${'x'.repeat(70_000)}"}`)).body).toMatchObject({
      code: 'body_too_large',
    });
    const plain = await kit.request('POST', '/v1/keys', '{}', kit.admin, { 'content-type': 'text/plain' });
    expect(plain.body).toMatchObject({ code: 'unsupported_media_type' });
  });

  test('cannot be created without access control, because they would be valid with it later', async () => {
    const kit = await openAdminKit('access=loopback');
    expect(kit.hub.firstKey).toBeUndefined();
    for (const [method, path] of [
      ['GET', '/v1/keys'],
      ['POST', '/v1/keys'],
    ] as const) {
      const body = method === 'POST' ? { name: 'a', scopes: { admin: ['>'] } } : undefined;
      expect((await kit.request(method, path, body, '')).body).toMatchObject({ code: 'forbidden' });
    }
    // A program with a key of another hub, such as production, may use it here as well.
    expect((await kit.request('POST', ...PUBLISH, 'pck_whatever')).status).toBe(201);
  });
});

describe('a caller without an admin key', () => {
  const ROUTES: readonly (readonly [string, string, object | undefined])[] = [
    ['GET', '/v1/keys', undefined],
    ['POST', '/v1/keys', { name: 'a', scopes: { admin: ['>'] } }],
    ['GET', '/v1/keys/x', undefined],
    ['PATCH', '/v1/keys/x', { name: 'b' }],
    ['DELETE', '/v1/keys/x', undefined],
    ['POST', '/v1/keys/x/rotate', undefined],
    ['POST', '/v1/revocations', { user: '42' }],
    ['GET', '/v1/audit', undefined],
    ['GET', '/v1/access/explain?subscribe=a', undefined],
  ];

  test.each(ROUTES)('cannot use %s %s, and does not learn whether the resource exists', async (method, path, body) => {
    const kit = await openAdminKit();
    const { id, text } = await kit.createKey({ publish: ['>'], subscribe: ['>'], subscriptions: ['>'], users: ['>'] });
    const real = path.replace('/x', `/${id}`);
    const none = await kit.request(method, real, body, '');
    expect(none).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    const less = await kit.request(method, real, body, text);
    const detail = 'This requires a key with the scope admin.';
    expect(less).toMatchObject({ status: 403, body: { code: 'forbidden', detail, rule: 'the scopes of the key' } });
    expect((await kit.request(method, path, body, text)).body).toEqual(less.body);
    expect((await kit.request('GET', '/v1/keys')).body['keys']).toHaveLength(2);
  });

  test('may look up and disconnect users with a key for users', async () => {
    const kit = await openAdminKit();
    const { id, text } = await kit.createKey({ users: ['>'] });
    const paths = [
      ['GET', '/v1/users/42'],
      ['POST', '/v1/users/42/disconnect'],
      ['POST', '/v1/users/42/reauthenticate'],
    ] as const;
    for (const [method, path] of paths) {
      expect(await kit.request(method, path, undefined, text)).toMatchObject({ status: 200, body: { user: '42' } });
      const other = await kit.createKey({ publish: ['>'], subscribe: ['>'], subscriptions: ['>'] });
      const refused = await kit.request(method, path, undefined, other.text);
      expect(refused).toMatchObject({ status: 403, body: { rule: 'the scopes of the key' } });
      expect(refused.body['detail']).toContain('users');
      expect((await kit.request(method, path, undefined, '')).status).toBe(401);
    }
    expect((await kit.request('GET', `/v1/access/explain?key=${id}&subscribe=a`)).body).toMatchObject({
      allowed: false,
    });
    const entries = (await kit.request('GET', '/v1/audit')).body['entries'] as readonly {
      action: string;
      by: object;
    }[];
    expect(entries.find(({ action }) => action === 'user.disconnected')?.by).toMatchObject({ key: id });
  });

  test('a page of another origin cannot make a browser send it', async () => {
    const kit = await openAdminKit();
    for (const [method, path, body] of ROUTES) {
      if (method === 'GET') continue;
      const { status } = await kit.request(method, path, body, kit.admin, { origin: 'https://evil.example' });
      expect(status, `${method} ${path}`).toBe(403);
    }
  });

  test('receives the methods of a resource from OPTIONS', async () => {
    const kit = await openAdminKit();
    expect((await kit.request('OPTIONS', '/v1/keys/x')).headers.get('allow')).toBe('GET, HEAD, PATCH, DELETE, OPTIONS');
    expect((await kit.request('POST', '/v1/keys/x', {})).body).toMatchObject({ code: 'method_not_allowed' });
  });
});

describe('revocations', () => {
  test('of a key: earlier secrets are refused, a rotated one is accepted', async () => {
    const kit = await openAdminKit();
    const { id, text } = await kit.createKey({ publish: ['>'] });
    const { status, body } = await kit.request('POST', '/v1/revocations', { key: id });
    expect(status).toBe(201);
    expect(body).toMatchObject({ key: id });
    expect((await kit.request('POST', ...PUBLISH, text)).body).toMatchObject({ code: 'unauthorized' });
    const rotated = await kit.request('POST', `/v1/keys/${id}/rotate`);
    expect((await kit.request('POST', ...PUBLISH, rotated.body['key'] as string)).status).toBe(201);
  });

  test.each<[unknown, string]>([
    [{}, 'user'],
    [{ user: 'a', token: 'b' }, 'token'],
    [{ user: '' }, 'user'],
    [{ user: 7 }, 'user'],
    [{ everybody: true }, 'user'],
    [{ user: 'a', issuedBefore: '2099-01-01T00:00:00Z' }, 'issuedBefore'],
    [{ user: 'a', issuedBefore: 0 }, 'issuedBefore'],
    [{ user: 'a', until: '2099-01-01T00:00:00Z' }, 'until'],
  ])('%j is refused', async (body, member) => {
    const kit = await openAdminKit();
    expect((await kit.request('POST', '/v1/revocations', body)).body).toMatchObject({ code: 'invalid_body', member });
  });
});

describe('explanations', () => {
  const RULES =
    'rules=[{pattern: news.>, subscribe: anyone}, {pattern: "inbox.{user}.>", subscribe: owner}, {pattern: desk.>, subscribe: {claim: role, value: editor}}]';
  const asks = async (kit: AdminClient, query: string): Promise<Answer['body']> =>
    (await kit.request('GET', `/v1/access/explain?${query}`)).body;

  test('state whether access is allowed, and by which rule', async () => {
    const kit = await openAdminKit(RULES);
    expect(await asks(kit, 'subscribe=news.1')).toMatchObject({
      allowed: true,
      by: 'rule 1 (news.>)',
      as: { kind: 'anonymous' },
    });
    expect(await asks(kit, 'user=42&subscribe=inbox.42.a')).toMatchObject({
      allowed: true,
      by: 'rule 2 (inbox.{user}.>)',
    });
    expect(await asks(kit, 'user=42&subscribe=inbox.7.a')).toMatchObject({
      allowed: false,
      needs: 'the user named in the channel',
      tokenClaim: 'polycast.subscribe',
    });
    expect(await asks(kit, 'user=42&subscribe=desk.a')).toMatchObject({ allowed: false, by: 'rule 3 (desk.>)' });
    expect(await asks(kit, 'user=42&claims=%7B%22role%22%3A%22editor%22%7D&subscribe=desk.a')).toMatchObject({
      allowed: true,
    });
    expect(await asks(kit, 'user=42&publish=news.1')).toMatchObject({
      allowed: false,
      by: 'the defaults',
      needs: 'a server with a key',
      tokenClaim: 'polycast.publish',
    });
    // A token cannot grant what only the hub may do, and an anonymous caller has none.
    for (const query of ['user=42&publish=polycast.users.online', 'subscribe=desk.a', 'user=42&subscribe=news.1'])
      expect([query, await asks(kit, query)]).not.toHaveProperty('1.tokenClaim');
    expect(await asks(kit, 'user=42&subscribe=@me')).toMatchObject({ allowed: true, channel: 'polycast.private.42' });
    const { id } = await kit.createKey({ publish: ['news.*'] });
    expect(await asks(kit, `key=${id}&publish=news.1`)).toMatchObject({
      allowed: true,
      by: 'the key',
      as: { kind: 'server', key: id },
    });
    expect(await asks(kit, `key=${id}&subscribe=news.1`)).toMatchObject({
      allowed: false,
      needs: 'the scope subscribe for news.1',
    });
  });

  test("agree with the hub's decisions", async () => {
    const kit = await openAdminKit(RULES);
    for (const channel of ['news.1', 'inbox.42.a', 'other', 'polycast.private.42']) {
      const { status } = await kit.request('GET', `/v1/events?channel=${channel}`, undefined, '');
      expect(status === 200, channel).toBe((await asks(kit, `subscribe=${channel}`))['allowed']);
    }
  });

  test("include the time before which the user's credentials are revoked", async () => {
    const kit = await openAdminKit(RULES);
    const { body } = await kit.request('POST', '/v1/revocations', { user: '42' });
    expect(await asks(kit, 'user=42&subscribe=news.1')).toMatchObject({
      allowed: true,
      revokedBefore: body['issuedBefore'],
    });
  });

  test.each([
    ['', 'subscribe'],
    ['subscribe=a&publish=a', 'publish'],
    ['claims=%7B%7D&subscribe=a', 'claims'],
    ['user=1&claims=7&subscribe=a', 'claims'],
    ['user=1&key=2&subscribe=a', 'key'],
    ['user=&subscribe=a', 'user'],
    ['channel=a', 'channel'],
  ])('%s is refused', async (query, parameter) => {
    const kit = await openAdminKit();
    expect(await asks(kit, query)).toMatchObject({ code: 'invalid_parameter', parameter });
  });
});

test('the audit log contains all of these actions, page by page', async () => {
  const kit = await openAdminKit();
  const { id } = await kit.createKey({ publish: ['>'] });
  await kit.request('POST', `/v1/keys/${id}/rotate`);
  await kit.request('POST', '/v1/revocations', { user: '42' });
  await kit.request('DELETE', `/v1/keys/${id}`);
  const first = await kit.request('GET', '/v1/audit?limit=3');
  const actions = (answer: Answer): string[] =>
    (answer.body['entries'] as { action: string }[]).map(({ action }) => action);
  expect(actions(first)).toEqual(['key.revoked', 'revocation.made', 'key.rotated']);
  const admin = kit.admin.slice(4, 16);
  expect((first.body['entries'] as unknown[])[0]).toMatchObject({
    subject: id,
    by: { kind: 'server', key: admin, name: 'first', address: '127.0.0.1' },
  });
  const second = await kit.request('GET', `/v1/audit?limit=3&before=${String(first.body['next'])}`);
  expect(actions(second)).toEqual(['key.created', 'key.created']);
  expect(second.body['next']).toBeNull();
  expect((await kit.request('GET', '/v1/audit?before=x')).body).toMatchObject({ code: 'invalid_parameter' });
});
