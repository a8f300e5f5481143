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
import { PEEPING, READING, SENDING, type Target } from './kit/attempts.ts';
import { SESSION_COOKIE } from './kit/site.ts';
import { TOKEN_COOKIE } from './kit/tokens.ts';
import { startWorld, type World } from './kit/world.ts';

/**
 * Pages of other origins, in a browser whose user is logged in, try to read in the user's name and to send in it (PROTOCOL.md
 * section 13.7). The cookie travels with what they send: what stops them is the hub.
 */
const CHROMIUM = process.env['POLYCAST_CHROMIUM'] ?? '/usr/bin/chromium';
const isInstalled = existsSync(CHROMIUM);
/** User 7's own, and the one that is open to anyone: from a strange page not even that. */
const CHANNELS = ['inbox.7.letters', 'open.news'];

/** By which cookie the browser is known to be user 7's. */
const LOGINS: Readonly<Record<string, () => { readonly name: string; readonly value: string }>> = {
  "the site's session": () => ({ name: SESSION_COOKIE, value: 'seven' }),
  'a token': () => ({ name: TOKEN_COOKIE, value: world.purse.token('7') }),
};

let world: World;
let allowed: string;
/** At the hub's name, and not the hub: what is sent to it would be sent to the hub as well. */
let spy: { readonly url: string; readonly cookies: (string | undefined)[] };

beforeAll(async () => {
  if (!isInstalled) return;
  allowed = await servePages('127.0.0.1');
  spy = await startSpy();
  world = await startWorld({ allowedOrigins: [allowed] });
});

describe.skipIf(!isInstalled).each(Object.keys(LOGINS))('with %s in a cookie', (login) => {
  let context: BrowserContext;
  let friend: Page;
  /** By what they are to the hub, which is at 127.0.0.1. */
  const strangers = new Map<string, Pick<Page, 'evaluate'>>();
  const cookie = (): { readonly name: string; readonly value: string } =>
    (LOGINS[login] as () => { name: string; value: string })();

  beforeAll(async () => {
    context = await chromium.launchPersistentContext(leastCarefulProfile(), {
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
    });
    // The least careful that a site can be: it is sent along whatever page asks.
    const careless = { domain: '127.0.0.1', path: '/', secure: true, sameSite: 'None', httpOnly: true } as const;
    await context.addCookies([{ ...cookie(), ...careless }]);
    const open = async (url: string): Promise<Page> => {
      const page = await context.newPage();
      await page.goto(url);
      return page;
    };
    friend = await open(allowed);
    strangers.set('another port of the same host', await open(await servePages('127.0.0.1')));
    strangers.set('another site', await open(await servePages('localhost')));
    strangers.set('a sandboxed frame', await sandboxedFrame(await open(allowed)));
  });
  afterAll(() => context?.close());

  test.each(Object.entries(READING))(
    'a page of an allowed origin reads as its user may, by %s',
    async (_way, attempt) => {
      for (const channel of CHANNELS) {
        const target = targetOf(channel, '');
        expect(await friend.evaluate(attempt, target)).toContain(target.secret);
      }
    },
  );

  test.each(Object.entries(SENDING))(
    'a page of an allowed origin sends as its user may, by %s',
    async (way, attempt) => {
      for (const channel of CHANNELS) {
        const target = targetOf(channel, `by a friend with ${login}, ${way}`);
        await friend.evaluate(attempt, target);
        await until('it has arrived', async () => (await everythingIn(channel)).includes(target.mark));
      }
    },
  );

  describe.each(['another port of the same host', 'another site', 'a sandboxed frame'])('from %s', (name) => {
    const stranger = (): Pick<Page, 'evaluate'> => strangers.get(name) as Page;

    test('the cookie travels', async () => {
      spy.cookies.length = 0;
      await stranger().evaluate((url) => fetch(url, { mode: 'no-cors', credentials: 'include' }), spy.url);
      expect(spy.cookies).toEqual([expect.stringContaining(`${cookie().name}=`)]);
    });

    test.each(Object.entries({ ...PEEPING, ...READING }))('nothing is read, by %s', async (_way, attempt) => {
      for (const channel of CHANNELS) {
        const learnt = await stranger().evaluate(attempt, targetOf(channel, ''));
        expect(learnt).not.toContain('secret');
        expect(learnt).not.toContain('open');
      }
    });

    test.each(Object.entries(SENDING))('nothing is sent, by %s', async (way, attempt) => {
      for (const channel of CHANNELS) {
        const mark = `by a stranger at ${name} with ${login}, ${way}`;
        await stranger().evaluate(attempt, targetOf(channel, mark));
        // What a friend sends afterwards has arrived: so would have what the stranger sent.
        const after = `after ${mark}`;
        await friend.evaluate(attempt, targetOf(channel, after));
        await until('the later has arrived', async () => (await everythingIn(channel)).includes(after));
        expect((await everythingIn(channel)).replace(after, '')).not.toContain(mark);
      }
    });
  });
});

function targetOf(channel: string, mark: string): Target {
  return { hub: world.hub.url, channel, secret: world.first(channel).secret, mark };
}

/** As the admin sees it. */
async function everythingIn(channel: string): Promise<string> {
  const headers = { Authorization: `Bearer ${world.purse.key('admin')}` };
  const { text } = await call(`${world.hub.url}/v1/channels/${channel}/history?limit=1000`, { headers });
  return decodeURIComponent(text.replaceAll('+', ' '));
}

/** What an allowed page shows and does not trust: its origin is `null`. */
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

/** Of a user who lets third parties have cookies. */
function leastCarefulProfile(): string {
  const folder = temporaryFolder('chromium');
  mkdirSync(join(folder, 'Default'));
  writeFileSync(join(folder, 'Default/Preferences'), JSON.stringify({ profile: { cookie_controls_mode: 0 } }));
  return folder;
}

/** Empty pages, at an origin of their own. */
async function servePages(host: string): Promise<string> {
  const server = createServer((_request, response) =>
    response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>page</title><body>'),
  );
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  atExit(() => server.close().closeAllConnections());
  return `http://${host}:${(server.address() as AddressInfo).port}`;
}

async function startSpy(): Promise<typeof spy> {
  const cookies: (string | undefined)[] = [];
  const server = createServer(({ headers }, response) => {
    cookies.push(headers.cookie);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atExit(() => server.close().closeAllConnections());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cookies };
}
