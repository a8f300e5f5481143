import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../kit/wait.ts';
import { startPhpSite, type PhpSite } from './kit/php-site.ts';

/**
 * examples/php-site in Chromium: its own login and sessions, with the hub beside it. The browser
 * has the session cookie only.
 */
const CHROMIUM = process.env['POLYCAST_CHROMIUM'] ?? '/usr/bin/chromium';
const isInstalled = existsSync(CHROMIUM) && existsSync('/usr/bin/php');
const PASSWORDS = { ada: 'lovelace', ben: 'franklin' } as const;
type User = keyof typeof PASSWORDS;

let site: PhpSite;
let browser: Browser;

beforeAll(async () => {
  if (!isInstalled) return;
  site = await startPhpSite();
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
});
afterAll(() => browser?.close());
afterEach(() => Promise.all(browser?.contexts().map((context) => context.close()) ?? []));

describe.skipIf(!isInstalled).each(['websocket', 'sse', 'long-poll', 'short-poll'])('by %s', (transport) => {
  test('both users receive news, one a private message; a log-out ends open sessions; an offline user receives the message later', async () => {
    const ada = await logIn('ada', transport);
    const ben = await logIn('ben', transport);
    const unique = (text: string): string => `${text} by ${transport}`;

    await write(ada, 'news', unique('the bridge is open'));
    await shows(ada, 'news', `Ada: ${unique('the bridge is open')}`);
    await shows(ben, 'news', `Ada: ${unique('the bridge is open')}`);

    await write(ada, 'letter', unique('dinner at eight?'), 'ben');
    await shows(ben, 'letters', `Ada: ${unique('dinner at eight?')}`);
    await write(ben, 'letter', unique('at nine'), 'ada');
    await shows(ada, 'letters', `Ben: ${unique('at nine')}`);
    expect(await ada.textContent('#letters')).not.toContain(unique('dinner at eight?'));

    // In another tab, so that the hub ends the first tab's connection.
    const second = await ben.context().newPage();
    await second.goto(`${site.url}/?transports=${transport}`);
    await connected(second, transport);
    const answered = second.waitForResponse((response) => response.url().endsWith('/logout'));
    await second.click('#logout button', { noWaitAfter: true });
    await answered;
    const startMs = performance.now();
    await until('the first tab is cut off', async () => (await ben.textContent('#state')) !== transport);
    // A client without events notices it at the end of a wait, after 25 seconds.
    expect(performance.now() - startMs).toBeLessThan(20_000);
    await until('it has learnt that it may not come back', async () => (await ben.textContent('#state')) === 'closed');
    await second.waitForSelector('#login');
    expect(await second.textContent('body')).toContain('Log in');

    await write(ada, 'letter', unique('are you there?'), 'ben');
    await write(ada, 'news', unique('the bridge is closed'));
    await shows(second, 'news', unique('the bridge is closed'));
    expect(await ben.textContent('#letters')).not.toContain(unique('are you there?'));

    await fillIn(second, 'ben');
    await second.goto(`${site.url}/?transports=${transport}`);
    await shows(second, 'letters', `Ada: ${unique('are you there?')}`);
  });
});

test('PHP logs no warning or error', () => expect(site?.phpErrors() ?? []).toEqual([]));

/** A new browser, logged in with the site's form. */
async function logIn(user: User, transport: string): Promise<Page> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(site.url);
  await fillIn(page, user);
  await page.goto(`${site.url}/?transports=${transport}`);
  await connected(page, transport);
  return page;
}

async function fillIn(page: Page, user: User): Promise<void> {
  await page.fill('#login input[name=user]', user);
  await page.fill('#login input[name=password]', PASSWORDS[user]);
  await page.click('#login button');
  await page.waitForSelector('#user');
}

function connected(page: Page, transport: string): Promise<void> {
  return until('it is connected', async () => (await page.textContent('#state')) === transport);
}

/** With the site's forms; the page does not change. */
async function write(page: Page, what: 'news' | 'letter', text: string, to?: User): Promise<void> {
  const status = await page.evaluate(
    async ({ id, fields }) => {
      const form = document.querySelector<HTMLFormElement>(id) as HTMLFormElement;
      const body = new FormData(form);
      for (const [name, value] of Object.entries(fields)) body.set(name, value);
      return (await fetch(form.action, { method: 'POST', body })).status;
    },
    { id: `#write-${what}`, fields: { text, ...(to === undefined ? {} : { to }) } },
  );
  expect(status).toBe(200);
}

function shows(page: Page, list: 'news' | 'letters', text: string): Promise<void> {
  return until(`${list} shows ${text}`, async () => (await page.textContent(`#${list}`))?.includes(text) === true);
}
