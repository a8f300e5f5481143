import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Frame, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { atExit } from '../kit/at-exit.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call } from '../kit/http.ts';
import { until } from '../kit/wait.ts';
import { FOREIGN_SENDS, OPAQUE_READS, READS, SENDS, type Target } from './kit/page-attempts.ts';
import { SESSION_COOKIE } from './kit/site.ts';
import { TOKEN_COOKIE } from './kit/tokens.ts';
import { startWorld, type TestWorld } from './kit/world.ts';

/**
 * Pages of other origins, in a browser whose user is logged in, try to read and send in the user's
 * name (PROTOCOL.md section 13.7). The browser sends the cookie with their requests, so the hub
 * must refuse them.
 */
const CHROMIUM = process.env['POLYCAST_CHROMIUM'] ?? '/usr/bin/chromium';
const isInstalled = existsSync(CHROMIUM);
/**
 * User 7's own channel, and the one that is open to anyone: a foreign page may not read even that.
 */
const CHANNELS = ['inbox.7.letters', 'open.news'];

/** User 7's credentials in the browser, and the origins of the hub and the pages. */
interface Setting {
  /** The name of the hub in pages, … */
  readonly hub: string;
  /**
   * … that of the allowed page, and those of others. `null` is a sandboxed frame within the allowed
   * page.
   */
  readonly friend: string;
  readonly strangers: Readonly<Record<string, string | null>>;
  readonly cookie: () => Parameters<BrowserContext['addCookies']>[0][number];
  /** Foreign pages for which the browser itself omits the cookie. */
  readonly withheld: readonly string[];
}

/** The least careful site possible: the browser sends the cookie for any page. */
const CARELESS = { domain: '127.0.0.1', path: '/', secure: true, sameSite: 'None', httpOnly: true } as const;
const ONE_HOST = {
  hub: '127.0.0.1',
  friend: '127.0.0.1',
  strangers: { 'another port of the same host': '127.0.0.1', 'another site': 'localhost', 'a sandboxed frame': null },
  withheld: [],
};
const SETTINGS: Readonly<Record<string, Setting>> = {
  "the site's session": {
    ...ONE_HOST,
    cookie: () => ({ name: SESSION_COOKIE, value: 'seven', ...CARELESS }),
  },
  'a token': {
    ...ONE_HOST,
    cookie: () => ({ name: TOKEN_COOKIE, value: world.issuer.token('7'), ...CARELESS }),
  },
  'a session for all sub-domains': {
    hub: 'hub.shop.test',
    friend: 'www.shop.test',
    strangers: { 'a sibling': 'blog.shop.test', 'another site': 'www.evil.test', 'a sandboxed frame': null },
    cookie: () => ({
      name: SESSION_COOKIE,
      value: 'seven',
      domain: '.shop.test',
      path: '/',
      sameSite: 'Lax',
      httpOnly: true,
    }),
    withheld: ['another site', 'a sandboxed frame'],
  },
};

let world: TestWorld;
/** The address of the allowed page, with any name. */
let friendPort: number;
/** A spy at the hub's name: it receives the cookies that the hub would receive. */
let spy: { readonly port: number; readonly cookies: (string | undefined)[] };

beforeAll(async () => {
  if (!isInstalled) return;
  friendPort = await servePages('127.0.0.1');
  spy = await startSpy();
  const allowedOrigins = ['127.0.0.1', 'www.shop.test'].map((host) => `http://${host}:${friendPort}`);
  world = await startWorld({ allowedOrigins });
});

describe.skipIf(!isInstalled).each(Object.entries(SETTINGS))('with %s in a cookie', (login, setting) => {
  let context: BrowserContext;
  let friend: Page;
  const strangers = new Map<string, Pick<Page, 'evaluate'>>();

  beforeAll(async () => {
    context = await chromium.launchPersistentContext(leastCarefulProfile(), {
      executablePath: CHROMIUM,
      args: FLAGS,
    });
    await context.addCookies([setting.cookie()]);
    const open = async (host: string, port: number): Promise<Page> => {
      const page = await context.newPage();
      await page.goto(`http://${host}:${port}`);
      return page;
    };
    friend = await open(setting.friend, friendPort);
    for (const [name, host] of Object.entries(setting.strangers)) {
      const stranger =
        host === null
          ? await sandboxedFrame(await open(setting.friend, friendPort))
          : await open(host, await servePages(host === 'localhost' ? host : '127.0.0.1'));
      strangers.set(name, stranger);
    }
  });
  afterAll(() => context?.close());

  const hub = (): string => `http://${setting.hub}:${world.hub.port}`;
  const target = (channel: string, marker: string): Target => ({
    hub: hub(),
    channel,
    secret: world.first(channel).secret,
    marker,
  });

  test.each(Object.entries(READS))(
    "an allowed page reads with its user's permissions, by %s",
    async (_way, attempt) => {
      for (const channel of CHANNELS) {
        const wanted = target(channel, '');
        expect(await friend.evaluate(attempt, wanted)).toContain(wanted.secret);
      }
    },
  );

  test.each(Object.entries(SENDS))("an allowed page sends with its user's permissions, by %s", async (way, attempt) => {
    for (const channel of CHANNELS) {
      const sent = target(channel, `by a friend with ${login}, ${way}`);
      await friend.evaluate(attempt, sent);
      await until('it has arrived', async () => (await everythingIn(channel)).includes(sent.marker));
    }
  });

  describe.each(Object.keys(setting.strangers))('from %s', (name) => {
    const stranger = (): Pick<Page, 'evaluate'> => strangers.get(name) as Page;
    const isWithheld = setting.withheld.includes(name);

    test(isWithheld ? 'the browser withholds the cookie' : 'the cookie travels', async () => {
      spy.cookies.length = 0;
      const url = `http://${setting.hub}:${spy.port}`;
      await stranger().evaluate((spied) => fetch(spied, { mode: 'no-cors', credentials: 'include' }), url);
      const { name: cookie, value } = setting.cookie();
      const sent = expect.stringContaining(`${cookie}=${value.slice(0, 5)}`) as string;
      expect(spy.cookies).toEqual([isWithheld ? undefined : sent]);
    });

    test.each(Object.entries({ ...OPAQUE_READS, ...READS }))('cannot read, by %s', async (_way, attempt) => {
      for (const channel of CHANNELS) {
        const learnt = await stranger().evaluate(attempt, target(channel, ''));
        expect(learnt).not.toContain('secret');
        expect(learnt).not.toContain('open');
      }
    });

    test.each(Object.entries(FOREIGN_SENDS))('cannot send, by %s', async (way, attempt) => {
      for (const channel of CHANNELS) {
        const marker = `by a stranger at ${name} with ${login}, ${way}`;
        await stranger().evaluate(attempt, target(channel, marker));
        // The friend's later message has arrived, so the stranger's earlier one would have arrived
        // too.
        const after = `after ${marker}`;
        await friend.evaluate(SENDS[way] ?? (SENDS['fetch'] as typeof attempt), target(channel, after));
        await until('the later has arrived', async () => (await everythingIn(channel)).includes(after));
        expect((await everythingIn(channel)).replace(after, '')).not.toContain(marker);
      }
    });
  });
});

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--host-resolver-rules=MAP *.test 127.0.0.1',
];

/** Reads as the administrator. */
async function everythingIn(channel: string): Promise<string> {
  const headers = { Authorization: `Bearer ${world.issuer.key('admin')}` };
  const { text } = await call(`${world.hub.url}/v1/channels/${channel}/history?limit=1000`, { headers });
  return decodeURIComponent(text.replaceAll('+', ' '));
}

/** Untrusted content within an allowed page: its origin is `null`. */
async function sandboxedFrame(page: Page): Promise<Frame> {
  await page.evaluate(() =>
    new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.sandbox.add('allow-scripts', 'allow-forms');
      frame.srcdoc = '<!doctype html><title>foreign</title><body>';
      frame.onload = resolve;
      document.body.append(frame);
    }).then(() => undefined),
  );
  return page.frames()[1] as Frame;
}

/** A user whose browser allows third-party cookies. */
function leastCarefulProfile(): string {
  const folder = temporaryFolder('chromium');
  mkdirSync(join(folder, 'Default'));
  writeFileSync(join(folder, 'Default/Preferences'), JSON.stringify({ profile: { cookie_controls_mode: 0 } }));
  return folder;
}

/** Empty pages, at a port of their own. */
async function servePages(host: string): Promise<number> {
  const server = createServer((_request, response) =>
    response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>page</title><body>'),
  );
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  atExit(() => server.close().closeAllConnections());
  return (server.address() as AddressInfo).port;
}

async function startSpy(): Promise<typeof spy> {
  const cookies: (string | undefined)[] = [];
  const server = createServer(({ headers }, response) => {
    cookies.push(headers.cookie);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atExit(() => server.close().closeAllConnections());
  return { port: (server.address() as AddressInfo).port, cookies };
}
