import { onTestFinished, describe, expect, test } from 'vitest';
import { loadConfig } from '../config/load.ts';
import { openHub } from '../hub.ts';
import { openAuthenticatedHub } from '../testing/authenticated-hub.ts';
import { AdminClient } from './testing.ts';

const PATH = '/v1/console/session';
const OTHER_ORIGIN = 'http://shop.example';

describe('a login with a key', () => {
  test('gives a cookie that scripts and other sites cannot use, and that identifies the key', async () => {
    const kit = await open();
    const { status, headers, body } = await kit.request('POST', PATH, { credential: kit.admin }, '');
    expect(status).toBe(200);
    expect(body).toMatchObject({ login: 'required', as: { kind: 'server', name: 'first', scopes: { admin: ['>'] } } });
    expect(headers.get('set-cookie')).toMatch(
      /^polycast-console=[\w-]+\.[\w-]+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/,
    );
    const cookie = cookieIn(headers);
    expect(cookie).not.toContain(kit.admin);
    const seen = await kit.request('GET', PATH, undefined, '', { cookie });
    expect(seen.body).toMatchObject({ as: { name: 'first' }, until: body['until'] });
    expect((await kit.request('GET', '/v1/status', undefined, '', { cookie })).status).toBe(200);
  });

  test('is refused for a key without the scope admin, a wrong key and a text', async () => {
    const kit = await open();
    const { text } = await kit.createKey({ publish: ['>'] });
    for (const [credential, code] of [
      [text, 'forbidden'],
      [`${kit.admin.slice(0, -4)}aaaa`, 'unauthorized'],
      ['nothing', 'unauthorized'],
    ]) {
      const { headers, body } = await kit.request('POST', PATH, { credential }, '');
      expect(body['code']).toBe(code);
      expect(headers.get('set-cookie')).toBeNull();
    }
  });

  test('may change something only from a page of the hub itself', async () => {
    const kit = await open('allowedOrigins=http://shop.example');
    const cookie = await logIn(kit);
    const body = { name: 'made', scopes: { publish: ['>'] } };
    const create = async (more: Record<string, string>): Promise<unknown> =>
      (await kit.request('POST', '/v1/keys', body, '', { cookie, ...more })).body['code'];
    expect(await create({ origin: kit.hub.url })).toBeUndefined();
    // A listed origin may use the hub, but not with the cookie of the console.
    expect(await create({ origin: OTHER_ORIGIN })).toBe('unauthorized');
    expect(await create({})).toBe('unauthorized');
    expect(await create({ 'sec-fetch-site': 'same-origin' })).toBe('unauthorized');
    expect(await create({ origin: kit.hub.url, 'sec-fetch-site': 'cross-site' })).toBe('unauthorized');
    const read = async (more: Record<string, string>): Promise<unknown> =>
      (await kit.request('GET', '/v1/keys', undefined, '', { cookie, ...more })).body['code'];
    expect(await read({})).toBeUndefined();
    expect(await read({ origin: OTHER_ORIGIN })).toBe('unauthorized');
    expect(await read({ 'sec-fetch-site': 'same-site' })).toBe('unauthorized');
  });

  test('ends with a log-out, for every copy of the cookie', async () => {
    const kit = await open();
    const cookie = await logIn(kit);
    const { status, headers } = await kit.request('DELETE', PATH, undefined, '', { cookie, origin: kit.hub.url });
    expect(status).toBe(204);
    expect(headers.get('set-cookie')).toMatch(/^polycast-console=; Path=\/; Max-Age=0;/);
    expect((await kit.request('GET', PATH, undefined, '', { cookie })).body).toMatchObject({ as: null });
  });

  test('ends with its key, and another key is not affected', async () => {
    const kit = await open();
    const { id, text } = await kit.createKey({ admin: ['>'] });
    const cookie = await logIn(kit, text);
    const first = await logIn(kit);
    expect((await kit.request('GET', '/v1/keys', undefined, '', { cookie })).status).toBe(200);
    await kit.request('DELETE', `/v1/keys/${id}`);
    expect((await kit.request('GET', '/v1/keys', undefined, '', { cookie })).status).toBe(401);
    expect((await kit.request('GET', '/v1/keys', undefined, '', { cookie: first })).status).toBe(200);
  });

  test('ends when the key loses the scope', async () => {
    const kit = await open();
    const { id, text } = await kit.createKey({ admin: ['>'] });
    const cookie = await logIn(kit, text);
    await kit.request('PATCH', `/v1/keys/${id}`, { scopes: { publish: ['>'] } });
    expect((await kit.request('GET', PATH, undefined, '', { cookie })).body).toMatchObject({ as: null });
  });

  test('cannot be forged', async () => {
    const kit = await open();
    const [name = '', text = '', signature = ''] = (await logIn(kit)).split(/[=.]/);
    const longer = JSON.parse(Buffer.from(text, 'base64url').toString()) as { untilMs: number };
    longer.untilMs *= 2;
    const forged = Buffer.from(JSON.stringify(longer)).toString('base64url');
    for (const cookie of [`${name}=${forged}.${signature}`, `${name}=${text}.`, `${name}=${text}`, `${name}=`])
      expect((await kit.request('GET', PATH, undefined, '', { cookie })).body).toMatchObject({ as: null });
  });

  test('each change is in the audit log', async () => {
    const kit = await open();
    const headers = { cookie: await logIn(kit), origin: kit.hub.url };
    await kit.request('POST', '/v1/channels/orders.7/events?x=1', 7, '', headers);
    await kit.request('DELETE', PATH, undefined, '', headers);
    const { body } = await kit.request('GET', '/v1/audit');
    const entries = body['entries'] as { action: string; subject: string; by: { name: string } }[];
    const actions = entries.map(({ action, subject, by }) => `${action} ${by.name} ${subject}`).toReversed();
    expect(actions).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^console\.login first /),
        'console.request first POST /v1/channels/orders.7/events',
        'console.request first DELETE /v1/console/session',
        expect.stringMatching(/^console\.logout first /),
      ]),
    );
    const search = await kit.request('GET', '/v1/audit?contains=ORDERS.7');
    expect(search.body['entries']).toHaveLength(1);
  });
});

describe('a login with a token', () => {
  test('is for users whose token says so', async () => {
    const hub = await openAuthenticatedHub({}, 1);
    const kit = new AdminClient(hub);
    const plain = await kit.request('POST', PATH, { credential: hub.token('ada') }, '');
    expect(plain.body['code']).toBe('forbidden');
    const token = hub.token('ada', 60, { polycast: { console: true } });
    const { headers, body } = await kit.request('POST', PATH, { credential: token }, '');
    expect(body).toMatchObject({ as: { kind: 'user', user: 'ada' } });
    const cookie = cookieIn(headers);
    expect((await kit.request('GET', '/v1/keys', undefined, '', { cookie })).status).toBe(200);
    // The token itself administers nothing.
    expect((await kit.request('GET', '/v1/keys', undefined, token)).status).toBe(403);
    await kit.request('POST', '/v1/users/ada/disconnect');
    expect((await kit.request('GET', '/v1/keys', undefined, '', { cookie })).status).toBe(401);
  });
});

test('a hub without access control has no login', async () => {
  const kit = await open('access=loopback');
  expect((await kit.request('GET', PATH, undefined, '')).body).toMatchObject({ login: 'none', as: { kind: 'server' } });
  expect((await kit.request('POST', PATH, { credential: 'x' }, '')).body['code']).toBe('forbidden');
});

test('a console that is disabled has no pages and no login', async () => {
  const kit = await open('console.enabled=false');
  expect((await kit.request('GET', PATH, undefined, '')).status).toBe(404);
  expect((await fetch(`${kit.hub.url}/console/`)).status).toBe(404);
});

test('the configuration in force names the origin of each value, and shows no secret', async () => {
  const kit = await open('console.loginSeconds=900');
  const { body } = await kit.request('GET', '/v1/configuration');
  const fields = body['fields'] as { path: string; value: unknown }[];
  expect(fields.find(({ path }) => path === 'console.loginSeconds')).toMatchObject({ value: 900, default: 43_200 });
});

async function open(...settings: string[]): Promise<AdminClient> {
  const { config } = loadConfig({
    settings: ['access=rules', 'listen=127.0.0.1:0', 'data=:memory:', 'logging.level=silent', ...settings],
  });
  const hub = await openHub(config);
  onTestFinished(() => hub.close());
  return new AdminClient(hub);
}

async function logIn(kit: AdminClient, credential: string = kit.admin): Promise<string> {
  return cookieIn((await kit.request('POST', PATH, { credential }, '')).headers);
}

function cookieIn(headers: Headers): string {
  return (headers.get('set-cookie') ?? '').split(';')[0] ?? '';
}
