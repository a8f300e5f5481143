import { PolycastError } from '@polycast/protocol';
import { afterEach, expect, test } from 'vitest';
import type { Credentials } from '../../core/ports.ts';
import { ANONYMOUS, type Principal } from '../../core/principal.ts';
import { createSite, type Site, type SiteSettings } from './site.ts';
import { TestClock } from './testing/clock.ts';
import { knowsBySession, openSite, type Behaviour, type TestSite } from './testing/site.ts';

const DEFAULTS: SiteSettings = {
  loginUrl: null,
  consentUrl: null,
  cookies: ['session'],
  headers: [],
  perAddress: false,
  secret: null,
  timeoutMs: 2000,
  concurrentMax: 4,
  queueMax: 1000,
  queueTimeoutMs: 10_000,
  cacheEntriesMax: 1000,
  ttlSecondsMax: 3600,
  refusalSeconds: 3,
  graceSeconds: 300,
  failuresMax: 3,
  retryAfterSeconds: 5,
};

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

interface Kit {
  readonly backend: TestSite;
  readonly site: Site;
  readonly clock: TestClock;
  readonly told: string[];
  login(session: string | undefined, more?: Partial<Credentials>): Principal | Promise<Principal> | undefined;
}

async function kit(behave: Behaviour, settings: Partial<SiteSettings> = {}): Promise<Kit> {
  const backend = await openSite(behave);
  const clock = new TestClock();
  const told: string[] = [];
  const logger = {
    info: (_fields: object, message: string) => told.push(message),
    warn: (fields: object, message: string) => told.push(`${message}: ${JSON.stringify(fields)}`),
  };
  const urls = { loginUrl: `${backend.url}/login`, consentUrl: `${backend.url}/consent` };
  const site = createSite({ ...DEFAULTS, ...urls, ...settings }, { clock, chance: () => 0, logger });
  opened.push(site, backend);
  return {
    backend,
    site,
    clock,
    told,
    login: (session, more) => site.identifiers[0]?.identify(credentials(session, more)),
  };
}

function credentials(session: string | undefined, more: Partial<Credentials> = {}): Credentials {
  return {
    token: undefined,
    cookie: (name) => (name === 'session' ? session : undefined),
    header: () => undefined,
    origin: undefined,
    address: '192.0.2.7',
    ...more,
  };
}

function forget({ identifiers, consent }: Site, user: string): void {
  for (const each of [...identifiers, consent]) each.forget?.(user);
}

async function refusal(asking: () => unknown): Promise<PolycastError> {
  try {
    await asking();
  } catch (error) {
    if (error instanceof PolycastError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

test('the site is shown the named cookies and headers, and says who it is', async () => {
  const { backend, clock, login } = await kit(
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
  expect(backend.asked).toMatchObject([
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

test("a request without any of it is not the site's, nor is one with a token", async () => {
  const { backend, login } = await kit(knowsBySession(60));
  expect(login(undefined)).toBeUndefined();
  expect(login('user-7', { token: 'something' })).toBeUndefined();
  expect(backend.asked).toHaveLength(0);
});

test('what the site has said is known at once, until its time is over', async () => {
  const { backend, clock, login } = await kit(knowsBySession(60));
  const first = await login('user-7');
  expect(login('user-7')).toBe(first);
  clock.pass(59_999);
  expect(login('user-7')).toBe(first);
  clock.pass(1);
  expect(login('user-7')).toBeInstanceOf(Promise);
  expect(backend.asked).toHaveLength(1);
  await expect.poll(() => backend.asked.length).toBe(2);
});

test('nobody is asked about again only after a moment', async () => {
  const { backend, clock, login } = await kit(knowsBySession(60));
  expect(await login('guest')).toEqual(ANONYMOUS);
  expect(login('guest')).toEqual(ANONYMOUS);
  clock.pass(3000);
  expect(await login('guest')).toEqual(ANONYMOUS);
  expect(backend.asked).toHaveLength(2);
});

test.each([401, 403])('%s is nobody', async (status) => {
  const { login } = await kit((_asked, response) => void response.writeHead(status).end('who are you?'));
  expect(await login('user-7')).toEqual(ANONYMOUS);
});

test('a token that only the site could know, and does not, is refused', async () => {
  const { login } = await kit(() => ({ user: null }), { cookies: [], headers: ['Authorization'] });
  const shown = { token: 'abc', header: (name: string) => (name === 'authorization' ? 'Bearer abc' : undefined) };
  expect((await refusal(() => login(undefined, shown))).code).toBe('unauthorized');
  expect((await refusal(() => login(undefined, shown))).code).toBe('unauthorized');
});

test('a password that a browser sends by itself is not shown for a page', async () => {
  const { backend, login } = await kit(() => ({ user: '7', ttlSeconds: 60 }), {
    cookies: [],
    headers: ['authorization'],
  });
  const header = (name: string): string | undefined => (name === 'authorization' ? 'Basic YTpi' : undefined);
  expect(login(undefined, { header, origin: 'https://evil.example' })).toBeUndefined();
  const noCors = (name: string): string | undefined => (name === 'sec-fetch-site' ? 'cross-site' : header(name));
  expect(login(undefined, { header: noCors })).toBeUndefined();
  expect(await login(undefined, { header })).toMatchObject({ user: '7' });
  expect(backend.asked).toHaveLength(1);
});

test('per address: another address is another question', async () => {
  const { backend, login } = await kit(knowsBySession(60), { perAddress: true });
  await login('user-7');
  await login('user-7', { address: '192.0.2.8' });
  expect(backend.asked.map(({ body }) => body['address'])).toEqual(['192.0.2.7', '192.0.2.8']);
});

test('a crowd with few cookies costs as many calls, and no more at once than is stated', async () => {
  const { backend, login } = await kit(async (asked, response) => {
    await new Promise((resolve) => setImmediate(resolve));
    return knowsBySession(60)(asked, response);
  });
  const crowd = Array.from({ length: 1000 }, (_, index) => login(`user-${index % 200}`));
  const users = await Promise.all(crowd);
  expect(users.map((principal) => principal?.user)).toEqual(crowd.map((_, index) => String(index % 200)));
  expect(backend.asked).toHaveLength(200);
  expect(backend.concurrentMax).toBeLessThanOrEqual(4);
  expect(backend.connections).toBeLessThanOrEqual(4);
});

test('beyond the queue nobody waits', async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const { login } = await kit(
    async (asked, response) => {
      await held;
      return knowsBySession(60)(asked, response);
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

const MiB = 1024 * 1024;
const FAULTS: Readonly<Record<string, Behaviour>> = {
  'hangs before its answer': () => undefined,
  'hangs in its answer': (_asked, response) => void response.writeHead(200).write('{"user":'),
  drips: (_asked, response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(timer));
  },
  'cuts the connection': (_asked, response) => void response.destroy(),
  'cuts its answer': (_asked, response) => {
    response.writeHead(200, { 'Content-Length': '100' }).write('{"user":"7"');
    setImmediate(() => response.destroy());
  },
  'answers 500': (_asked, response) => void response.writeHead(500).end('{"user":"7","ttlSeconds":60}'),
  'answers 404': (_asked, response) => void response.writeHead(404).end(),
  'answers 201': (_asked, response) => void response.writeHead(201).end('{"user":"7","ttlSeconds":60}'),
  redirects: (_asked, response) =>
    void response.writeHead(302, { Location: '/elsewhere' }).end('{"user":"7","ttlSeconds":60}'),
  'sends a gigabyte': (_asked, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    let sentBytes = 0;
    const more = (): void => {
      while (sentBytes < 1024 * MiB) {
        sentBytes += MiB;
        if (!response.write(Buffer.alloc(MiB, ' '))) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  },
  'says that a gigabyte comes': (_asked, response) =>
    void response.writeHead(200, { 'Content-Length': String(1024 * MiB) }).write('{'),
  'sends endless headers': (_asked, response) => {
    const timer = setInterval(
      () => response.socket?.write(`HTTP/1.1 200 OK\r\n${'x-a: ' + 'b'.repeat(8000) + '\r\n'}`),
      1,
    );
    response.on('close', () => clearInterval(timer));
  },
  compresses: (_asked, response) => void response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('x'),
  'sends HTML': (_asked, response) => void response.end('<h1>Welcome</h1>'),
  'sends a list': () => [{ user: '7', ttlSeconds: 60 }],
  'sends null': (_asked, response) => void response.end('null'),
  'says nothing': (_asked, response) => void response.end(),
  'says not how long': () => ({ user: '7' }),
  'says a time that is none': () => ({ user: '7', ttlSeconds: '60' }),
  'says no time at all': () => ({ user: '7', ttlSeconds: 0 }),
  'says an endless time': (_asked, response) => void response.end('{"user":"7","ttlSeconds":1e999}'),
  'says not who': () => ({ ttlSeconds: 60 }),
  'says true': () => ({ user: true, ttlSeconds: 60 }),
  'says an empty user': () => ({ user: '', ttlSeconds: 60 }),
  'says a user with a line break': () => ({ user: 'a\r\nb', ttlSeconds: 60 }),
  'says a user without end': () => ({ user: 'a'.repeat(129), ttlSeconds: 60 }),
  'says what is not known': () => ({ user: '7', ttlSeconds: 60, admin: true }),
  'grants what is no pattern': () => ({ user: '7', ttlSeconds: 60, subscribe: ['a..b'] }),
  'grants what is no list': () => ({ user: '7', ttlSeconds: 60, publish: '>' }),
  'grants without end': () => ({ user: '7', ttlSeconds: 60, publish: Array.from({ length: 101 }, (_, n) => `a.${n}`) }),
  'claims what is no object': () => ({ user: '7', ttlSeconds: 60, claims: ['admin'] }),
  'claims without end': () => ({ user: '7', ttlSeconds: 60, claims: { a: 'x'.repeat(8192) } }),
  'tells too much': () => ({ user: '7', ttlSeconds: 60, info: 'x'.repeat(4096) }),
};

test.each(Object.entries(FAULTS))('a site that %s lets nobody in', async (_name, behave) => {
  const { backend, login, site, told } = await kit(behave, { failuresMax: 1, timeoutMs: 300 });
  const { code, extensions } = await refusal(() => login('user-7'));
  expect(code).toBe('identity_unavailable');
  expect(extensions?.['retryAfterMs']).toBeGreaterThan(0);
  expect(site.figures).toMatchObject({ failed: 1, unavailable: 1, isFailing: true });
  expect(told).toHaveLength(1);
  expect(told[0]).not.toContain('user-7');
  expect(backend.asked.map(({ path }) => path)).not.toContain('/elsewhere');
});

test('on an outage known users stay for the grace, and unknown ones are not let in', async () => {
  const { backend, site, clock, login, told } = await kit(knowsBySession(60));
  const before = (await login('user-7')) as Principal;
  backend.behave = (_asked, response) => void response.writeHead(503).end();
  clock.pass(60_000);
  const graced = (await login('user-7')) as Principal;
  expect(graced).toEqual({ ...before, expiresMs: before.expiresMs + 5000 });
  expect((await refusal(() => login('user-8'))).code).toBe('identity_unavailable');
  expect((await refusal(() => login('guest'))).code).toBe('identity_unavailable');
  // The breaker is open: nobody is asked.
  expect(backend.asked).toHaveLength(4);
  expect(login('user-7')).toBe(graced);
  expect((await refusal(() => login('user-9'))).code).toBe('identity_unavailable');
  expect(backend.asked).toHaveLength(4);
  expect(told).toHaveLength(1);
  // One question tries it again, and finds it still down.
  clock.pass(5000);
  expect(((await login('user-7')) as Principal).expiresMs).toBe(before.expiresMs + 10_000);
  expect(backend.asked).toHaveLength(5);
  clock.pass(294_999);
  expect((await login('user-7'))?.user).toBe('7');
  clock.pass(1);
  expect((await refusal(() => login('user-7'))).code).toBe('identity_unavailable');
  // It comes back.
  backend.behave = knowsBySession(60);
  clock.pass(10_000);
  expect((await login('user-7'))?.user).toBe('7');
  expect((await login('user-8'))?.user).toBe('8');
  expect(told).toEqual([expect.stringMatching(/503/), 'the site answers again']);
  expect(site.figures.graced).toBeGreaterThan(0);
  expect(site.figures.isFailing).toBe(false);
});

test('a site that is back finds one question at its door, not a crowd', async () => {
  const { backend, clock, login } = await kit((_asked, response) => void response.writeHead(500).end());
  for (let user = 0; user < 3; user++) await refusal(() => login(`user-${user}`));
  clock.pass(5000);
  const crowd = await Promise.allSettled(Array.from({ length: 100 }, async (_, user) => login(`user-${user}`)));
  expect(crowd.every(({ status }) => status === 'rejected')).toBe(true);
  expect(backend.asked).toHaveLength(4);
});

test('nobody who has been logged out stays for the grace', async () => {
  const { backend, site, clock, login } = await kit(knowsBySession(60));
  await login('user-7');
  forget(site, '7');
  backend.behave = (_asked, response) => void response.writeHead(500).end();
  expect((await refusal(() => login('user-7'))).code).toBe('identity_unavailable');
  clock.pass(1);
});

test('what the site was saying while it took it back is not believed', async () => {
  const answers: ((answer: object) => void)[] = [];
  const { backend, site, login } = await kit(() => new Promise((resolve) => answers.push(resolve)));
  const asking = login('user-7');
  await expect.poll(() => answers.length).toBe(1);
  forget(site, '7');
  answers[0]?.({ user: '7', ttlSeconds: 60 });
  await expect.poll(() => answers.length).toBe(2);
  answers[1]?.({ user: null });
  expect(await asking).toEqual(ANONYMOUS);
  expect(backend.asked).toHaveLength(2);
});

test('a live session is renewed by asking the site again, once for all that share it', async () => {
  const { backend, site, clock, login } = await kit(knowsBySession(60));
  const [login0] = site.identifiers;
  const first = (await login('user-7')) as Principal;
  clock.pass(40_000);
  const renewed = await Promise.all([login0?.renew?.(first), login0?.renew?.(first)]);
  expect(renewed[0]?.expiresMs).toBe(first.expiresMs + 40_000);
  expect(renewed[1]).toBe(renewed[0]);
  expect(await login0?.renew?.(first)).toBe(renewed[0]);
  expect(backend.asked).toHaveLength(2);
  expect(login0?.renew?.(ANONYMOUS)).toBeUndefined();
  expect(login0?.renew?.({ ...first })).toBeUndefined();
});

test('a renewal finds out that somebody has logged out, or is another', async () => {
  const { backend, site, login } = await kit(knowsBySession(60));
  const [login0] = site.identifiers;
  const first = (await login('user-7')) as Principal;
  backend.behave = () => ({ user: '8', ttlSeconds: 60 });
  expect((await refusal(() => login0?.renew?.(first))).code).toBe('unauthorized');
  forget(site, '8');
  backend.behave = () => ({ user: null });
  expect((await refusal(() => login0?.renew?.(first))).code).toBe('unauthorized');
});

test('in an outage a live session is renewed for as long as the grace lasts', async () => {
  const { backend, site, clock, login } = await kit(knowsBySession(60), { graceSeconds: 12 });
  const [login0] = site.identifiers;
  const first = (await login('user-7')) as Principal;
  backend.behave = (_asked, response) => void response.destroy();
  let held = first;
  const lives: number[] = [];
  for (let round = 0; round < 3; round++) {
    clock.pass(held.expiresMs - clock.nowMs() - 100);
    held = (await login0?.renew?.(held)) as Principal;
    lives.push(held.expiresMs - first.expiresMs);
  }
  expect(lives).toEqual([5000, 9900, 12_000]);
  clock.pass(held.expiresMs - clock.nowMs());
  expect((await refusal(() => login0?.renew?.(held))).code).toBe('identity_unavailable');
});

test('in an outage whoever renews gets more than it has, however soon it comes again', async () => {
  const { backend, site, clock, login } = await kit(knowsBySession(60), { failuresMax: 1 });
  const [login0] = site.identifiers;
  let held = (await login('user-7')) as Principal;
  backend.behave = (_asked, response) => void response.destroy();
  clock.pass(59_000);
  for (let round = 0; round < 20; round++) {
    clock.pass(1100);
    const renewed = (await login0?.renew?.(held)) as Principal;
    expect(renewed.expiresMs).toBeGreaterThan(held.expiresMs);
    held = renewed;
  }
});

test('a rule may leave a channel to the site, which is asked about users alone', async () => {
  const { backend, site, clock } = await kit(({ body }) => ({
    allowed: body['channel'] === 'orders.7',
    ttlSeconds: 60,
  }));
  const ada: Principal = { ...ANONYMOUS, kind: 'user', user: '7', claims: { staff: true } };
  const { consent } = site;
  expect(consent.ask(ANONYMOUS, 'subscribe', 'orders.7')).toBe(false);
  expect(await consent.ask(ada, 'subscribe', 'orders.7')).toBe(true);
  expect(consent.ask(ada, 'subscribe', 'orders.7')).toBe(true);
  expect(await consent.ask(ada, 'subscribe', 'orders.8')).toBe(false);
  expect(consent.ask(ada, 'subscribe', 'orders.8')).toBe(false);
  expect(await consent.ask(ada, 'publish', 'orders.7')).toBe(true);
  expect(await consent.ask({ ...ada, claims: {} }, 'subscribe', 'orders.7')).toBe(true);
  expect(backend.asked.map(({ path, body }) => [path, body])).toEqual([
    ['/consent', { user: '7', action: 'subscribe', channel: 'orders.7', claims: { staff: true } }],
    ['/consent', { user: '7', action: 'subscribe', channel: 'orders.8', claims: { staff: true } }],
    ['/consent', { user: '7', action: 'publish', channel: 'orders.7', claims: { staff: true } }],
    ['/consent', { user: '7', action: 'subscribe', channel: 'orders.7', claims: {} }],
  ]);
  clock.pass(3000);
  await consent.ask(ada, 'subscribe', 'orders.8');
  expect(backend.asked).toHaveLength(5);
});

test('consent in an outage: what was allowed stays for the grace, all else is not known', async () => {
  const { backend, site, clock } = await kit(({ body }) => ({ allowed: body['channel'] === 'a', ttlSeconds: 60 }));
  const ada: Principal = { ...ANONYMOUS, kind: 'user', user: '7' };
  await site.consent.ask(ada, 'subscribe', 'a');
  await site.consent.ask(ada, 'subscribe', 'b');
  backend.behave = (_asked, response) => void response.writeHead(403).end();
  clock.pass(60_000);
  expect(await site.consent.ask(ada, 'subscribe', 'a')).toBe(true);
  expect((await refusal(() => site.consent.ask(ada, 'subscribe', 'b'))).code).toBe('identity_unavailable');
  forget(site, '7');
  expect((await refusal(() => site.consent.ask(ada, 'subscribe', 'a'))).code).toBe('identity_unavailable');
});

test('a connection that the site has ended while it was idle is opened anew', async () => {
  let answered = 0;
  const { backend, login } = await kit((asked, response) => {
    // Ended without a word after the answer, as a server does whose patience is over.
    if (answered++ === 0) response.once('finish', () => setImmediate(() => response.socket?.resetAndDestroy()));
    return knowsBySession(60)(asked, response);
  });
  expect(await login('user-1')).toMatchObject({ user: '1' });
  expect(await login('user-2')).toMatchObject({ user: '2' });
  expect(backend.asked).toHaveLength(2);
});

test('who waits when the hub ends is told so', async () => {
  const { site, login } = await kit(() => undefined, { concurrentMax: 1 });
  const asking = [login('user-1'), login('user-2')].map((each) => refusal(() => each));
  await site.close();
  for (const { code } of await Promise.all(asking)) expect(code).toBe('identity_unavailable');
});
