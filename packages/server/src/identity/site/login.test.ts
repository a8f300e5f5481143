import { expect, test } from 'vitest';
import { ANONYMOUS } from '../../core/access/principal.ts';
import { openSiteKit, refusal } from './testing/kit.ts';
import { answersBySession } from './testing/site.ts';

test('the site receives the configured cookies and headers, and answers with the user', async () => {
  const { backend, clock, login } = await openSiteKit(
    () => ({
      user: '7',
      info: { name: 'Ada' },
      claims: { staff: true },
      subscribe: ['news.>'],
      publish: ['chat.7'],
      ttlSeconds: 60,
    }),
    { headers: ['X-Device'], secret: 'correct-horse-battery' },
  );
  const principal = await login('user-7', {
    header: (name) => (name === 'x-device' ? 'd1' : undefined),
    origin: 'https://shop.example',
  });
  expect(principal).toEqual({
    ...ANONYMOUS,
    kind: 'user',
    user: '7',
    info: { name: 'Ada' },
    claims: { staff: true },
    grants: { subscribe: ['news.>'], publish: ['chat.7'] },
    issuedMs: clock.nowMs(),
    expiresMs: clock.nowMs() + 60_000,
  });
  expect(backend.requests).toMatchObject([
    {
      path: '/login',
      headers: {
        cookie: 'session=user-7',
        'x-device': 'd1',
        'polycast-secret': 'correct-horse-battery',
        'content-type': 'application/json',
      },
      body: {
        cookies: { session: 'user-7' },
        headers: { 'x-device': 'd1' },
        address: '192.0.2.7',
        origin: 'https://shop.example',
      },
    },
  ]);
});

test('a request without any of them causes no request to the site, nor does one with a token', async () => {
  const { backend, login } = await openSiteKit(answersBySession(60));
  expect(login(undefined)).toBeUndefined();
  expect(login('user-7', { token: 'something' })).toBeUndefined();
  expect(backend.requests).toHaveLength(0);
});

test('an answer of the site is cached until it expires', async () => {
  const { backend, clock, login } = await openSiteKit(answersBySession(60));
  const first = await login('user-7');
  expect(login('user-7')).toBe(first);
  clock.advance(59_999);
  expect(login('user-7')).toBe(first);
  clock.advance(1);
  expect(login('user-7')).toBeInstanceOf(Promise);
  expect(backend.requests).toHaveLength(1);
  await expect.poll(() => backend.requests.length).toBe(2);
});

test('unknown credentials are looked up again only after a short pause', async () => {
  const { backend, clock, login } = await openSiteKit(answersBySession(60));
  expect(await login('guest')).toEqual(ANONYMOUS);
  expect(login('guest')).toEqual(ANONYMOUS);
  clock.advance(3000);
  expect(await login('guest')).toEqual(ANONYMOUS);
  expect(backend.requests).toHaveLength(2);
});

test.each([401, 403])('%s authenticates no user', async (status) => {
  const { login } = await openSiteKit((_asked, response) => void response.writeHead(status).end('who are you?'));
  expect(await login('user-7')).toEqual(ANONYMOUS);
});

test('a token that only the site could accept, and does not, is refused', async () => {
  const { login } = await openSiteKit(() => ({ user: null }), { cookies: [], headers: ['Authorization'] });
  const shown = { token: 'abc', header: (name: string) => (name === 'authorization' ? 'Bearer abc' : undefined) };
  expect((await refusal(() => login(undefined, shown))).code).toBe('unauthorized');
  expect((await refusal(() => login(undefined, shown))).code).toBe('unauthorized');
});

test('a password that a browser sends by itself is not forwarded for a page', async () => {
  const { backend, login } = await openSiteKit(() => ({ user: '7', ttlSeconds: 60 }), {
    cookies: [],
    headers: ['authorization'],
  });
  const header = (name: string): string | undefined => (name === 'authorization' ? 'Basic YTpi' : undefined);
  expect(login(undefined, { header, origin: 'https://evil.example' })).toBeUndefined();
  const noCors = (name: string): string | undefined => (name === 'sec-fetch-site' ? 'cross-site' : header(name));
  expect(login(undefined, { header: noCors })).toBeUndefined();
  expect(await login(undefined, { header })).toMatchObject({ user: '7' });
  expect(backend.requests).toHaveLength(1);
});

test('credentials are forwarded byte for byte, and those that are too long for the site are not', async () => {
  const { backend, login } = await openSiteKit(({ headers, body }) => {
    const { session } = body['cookies'] as { session: string };
    return { user: session === 'é"ÿ' && headers.cookie === 'session=é"ÿ' ? 'both' : 'neither', ttlSeconds: 60 };
  });
  expect((await login('é"ÿ'))?.user).toBe('both');
  // HTTP/2 accepts characters that HTTP/1.1 cannot forward. Such a value is in the body only.
  expect((await login('\u0001'))?.user).toBe('neither');
  expect(backend.requests[1]?.headers.cookie).toBeUndefined();
  expect((await refusal(() => login('x'.repeat(4097)))).code).toBe('unauthorized');
  expect(backend.requests).toHaveLength(2);
});

test('per address: another address needs another lookup', async () => {
  const { backend, login } = await openSiteKit(answersBySession(60), { perAddress: true });
  await login('user-7');
  await login('user-7', { address: '192.0.2.8' });
  expect(backend.requests.map(({ body }) => body['address'])).toEqual(['192.0.2.7', '192.0.2.8']);
});

test('many clients with few cookies cause one call per cookie, within the limit of concurrent calls', async () => {
  const { backend, login } = await openSiteKit(async (asked, response) => {
    await new Promise((resolve) => setImmediate(resolve));
    return answersBySession(60)(asked, response);
  });
  const crowd = Array.from({ length: 1000 }, (_, index) => login(`user-${index % 200}`));
  const users = await Promise.all(crowd);
  expect(users.map((principal) => principal?.user)).toEqual(crowd.map((_, index) => String(index % 200)));
  expect(backend.requests).toHaveLength(200);
  expect(backend.concurrentMax).toBeLessThanOrEqual(4);
  expect(backend.connections).toBeLessThanOrEqual(4);
});

test('beyond the queue no request waits', async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const { login } = await openSiteKit(
    async (asked, response) => {
      await held;
      return answersBySession(60)(asked, response);
    },
    { concurrentMax: 1, queueMax: 1 },
  );
  const first = login('user-1');
  const second = login('user-2');
  const { code, extensions } = await refusal(() => login('user-3'));
  expect(code).toBe('identity_unavailable');
  expect(extensions).toEqual({ retryAfterMs: 5000 });
  release();
  expect(await Promise.all([first, second])).toMatchObject([{ user: '1' }, { user: '2' }]);
});
