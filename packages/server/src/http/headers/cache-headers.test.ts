import { expect, test } from 'vitest';
import { openAuthenticatedHub, type AuthenticatedHub } from '../../testing/authenticated-hub.ts';

const SETTINGS = {
  allowedOrigins: ['https://shop.example'],
  rules: [
    { pattern: 'news.>', subscribe: ['anyone'] },
    { pattern: 'chat.>', subscribe: ['users'], presence: ['users'] },
    { pattern: 'recent.>', subscribe: ['anyone'], history: ['users'] },
    { pattern: 'price.>', subscribe: ['anyone'], retain: 'latest' },
  ],
};

/** The parts of a response that a cache looks at. */
async function ask(
  hub: AuthenticatedHub,
  path: string,
  token?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; text: string; control: string; vary: readonly string[]; etag: string; cursor: string }> {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(hub.url + path, { headers: { ...authorization, ...headers } });
  const text = await response.text();
  return {
    status: response.status,
    text,
    control: response.headers.get('cache-control') ?? '',
    vary: (response.headers.get('vary') ?? '').split(', '),
    etag: response.headers.get('etag') ?? '',
    cursor: /"cursor":"([^"]+)"/.exec(text)?.[1] ?? '',
  };
}

test.each([
  '/v1/events?channel=@me&history=1',
  '/v1/events?channel=news.a&after=earliest',
  '/v1/events?channel=chat.a,news.a&after=earliest'.replace(',', '&channel='),
  '/v1/channels/news.a',
  '/v1/channels/chat.a',
])("one user's answer is not revalidated for another: %s", async (path) => {
  const hub = await openAuthenticatedHub(SETTINGS);
  await hub.publish('news.a', 1);
  await hub.publish('chat.a', 2);
  // A shorter name could be in the random characters of a tag.
  const name = 'ann-of-the-shop';
  await hub.administer('POST', `/v1/users/${name}/events`, { data: 'for ann alone' });
  const [ann, ben] = [hub.token(name), hub.token('ben')];
  const first = await ask(hub, path, ann);
  expect(first).toMatchObject({ status: 200, control: 'private, no-cache' });
  expect(first.vary).toEqual(expect.arrayContaining(['Cookie', 'Authorization', 'Origin']));
  expect(first.etag).not.toContain(name);
  expect(await ask(hub, path, ann, { 'if-none-match': first.etag })).toMatchObject({ status: 304, etag: first.etag });
  const other = await ask(hub, path, ben, { 'if-none-match': first.etag });
  expect(other).toMatchObject({ status: 200 });
  expect(other.etag).not.toBe(first.etag);
  expect(other.text).not.toContain('for ann alone');
  const anonymous = await ask(hub, path, undefined, { 'if-none-match': first.etag });
  expect([200, 401]).toContain(anonymous.status);
});

test('every GET route sets Cache-Control, and private answers may not be stored', async () => {
  const hub = await openAuthenticatedHub(SETTINGS);
  await hub.publish('chat.a', 2);
  const token = hub.token('ann');
  const paths = hub.routes
    .filter(({ method }) => method === 'GET')
    .map(({ path }) => path.replace(':channel', 'chat.a').replace(':user', 'ann').replaceAll(/:\w+/g, 'x'));
  expect(paths.length).toBeGreaterThan(20);
  for (const path of paths) {
    const query = path === '/v1/events' ? '?channel=chat.a' : '';
    for (const credentials of [token, undefined]) {
      const { status, control, vary } = await ask(hub, path + query, credentials);
      const isOfAnonymous = !path.startsWith('/v1/');
      if (control === 'no-store' || isOfAnonymous) continue;
      expect({ path, status, control }).toMatchObject({ control: 'private, no-cache' });
      expect(vary).toEqual(expect.arrayContaining(['Cookie', 'Authorization']));
    }
  }
});

test('a full page between two cursors may be shared, for the configured time', async () => {
  const hub = await openAuthenticatedHub(SETTINGS);
  for (let count = 1; count <= 4; count++) await hub.publish('news.a', count);
  const { cursor } = await ask(hub, '/v1/events?channel=news.a&after=earliest&limit=1');
  const path = `/v1/events?channel=news.>&after=${cursor}&limit=2`;
  const page = await ask(hub, path);
  expect(page).toMatchObject({ status: 200, control: 'public, max-age=10', etag: `"${page.cursor}"` });
  expect(page.vary).toEqual(['Accept', 'Prefer', 'Origin']);
  expect(await ask(hub, path, hub.token('ann'))).toEqual(page);
  expect(await ask(hub, path, undefined, { 'if-none-match': page.etag })).toMatchObject({
    status: 304,
    control: 'public, max-age=10',
  });
  expect(await ask(hub, `${path}&wait=5`)).toMatchObject({ control: 'public, max-age=10' });
});

test.each([
  ['that may still grow', 'news.a', 'after=CURSOR&limit=3'],
  ['that begins at no cursor', 'news.a', 'after=earliest&limit=2'],
  ["without its client's own events", 'news.a', 'after=CURSOR&limit=2&client=c&exclude=self'],
  ['of channels that are not for everybody', 'chat.a', 'after=CURSOR&limit=2'],
  ['that not everybody may look back on', 'recent.a', 'after=CURSOR&limit=2'],
  ['of values that are replaced', 'price.*', 'after=CURSOR&limit=2'],
])('a page %s may not be shared', async (_name, channel, query) => {
  const hub = await openAuthenticatedHub(SETTINGS);
  await hub.publish('news.first', 0);
  const { cursor } = await ask(hub, '/v1/events?channel=news.first&after=earliest');
  for (let count = 1; count <= 3; count++) await hub.publish(channel === 'price.*' ? `price.${count}` : channel, count);
  const path = `/v1/events?channel=${channel}&${query.replace('CURSOR', cursor)}`;
  const page = await ask(hub, path, hub.token('ann'));
  expect(page).toMatchObject({ status: 200, control: 'private, no-cache' });
});

test('an answer that waited, or that depends on Last-Event-ID, may not be stored', async () => {
  const hub = await openAuthenticatedHub(SETTINGS);
  for (let count = 1; count <= 4; count++) await hub.publish('news.a', count);
  const { cursor } = await ask(hub, '/v1/events?channel=news.a&after=earliest&limit=1');
  const held = await ask(hub, '/v1/events?channel=news.a&wait=1');
  expect(held).toMatchObject({ status: 200, control: 'no-store' });
  const resumed = await ask(hub, '/v1/events?channel=news.a&limit=2', undefined, { 'last-event-id': cursor });
  expect(resumed).toMatchObject({ status: 200, control: 'no-store' });
});

test('no page may be shared if the setting is 0', async () => {
  const hub = await openAuthenticatedHub({ ...SETTINGS, delivery: { pageMaxAgeSeconds: 0 } });
  for (let count = 1; count <= 3; count++) await hub.publish('news.a', count);
  const { cursor } = await ask(hub, '/v1/events?channel=news.a&after=earliest&limit=1');
  const page = await ask(hub, `/v1/events?channel=news.a&after=${cursor}&limit=1`);
  expect(page).toMatchObject({ status: 200, control: 'no-cache' });
});

test('the ETag of a private answer is valid as a condition of a publish', async () => {
  const hub = await openAuthenticatedHub(SETTINGS);
  await hub.publish('chat.a', 1);
  const read = await hub.administer('GET', '/v1/channels/chat.a');
  const etag = read.headers.get('etag') as string;
  expect(etag).toMatch(/^"[0-9a-z-]{22}\.[\w-]{12}"$/);
  const post = (ifMatch: string): Promise<Response> =>
    fetch(`${hub.url}/v1/channels/chat.a/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${hub.firstKey}`, 'content-type': 'application/json', 'if-match': ifMatch },
      body: '2',
    });
  expect((await post(`"other", ${etag}`)).status).toBe(201);
  expect((await post(etag)).status).toBe(412);
});
