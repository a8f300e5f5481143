import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startBrowser, startDevHub, type DevHub } from '../../packages/console/browser/lab-page.ts';
import { readPages } from './blocks.ts';

/** The built site, served by `polycast dev`, in a real browser. */
const ROOT = join(import.meta.dirname, '../..');
const SITE = join(ROOT, 'packages/docs/generated');
const BUILD_MS = 300_000;
const NARROW = { width: 390, height: 844 };
/** Pages that are open at the same time. */
const CONCURRENT = 3;

let hub: DevHub;
let browser: Browser;

beforeAll(async () => {
  // `npm test` has built it before.
  if (!existsSync(join(SITE, 'index.html'))) await (await import('../../packages/docs/build.ts')).buildDocs();
  [hub, browser] = await Promise.all([startDevHub(), startBrowser()]);
}, BUILD_MS);

afterAll(async () => {
  await browser.close();
  await hub.stop();
});

test('every page loads without an error, asks no other origin, and never scrolls sideways on a phone', async () => {
  const pages = globSync('**/*.html', { cwd: SITE }).filter((name) => name !== '404.html');
  expect(pages.length).toBeGreaterThan(60);
  const context = await browser.newContext({ viewport: NARROW });
  const pending = [...pages];
  const worker = async (): Promise<void> => {
    const page = await context.newPage();
    const problems = problemsOf(page);
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      await page.goto(`${hub.url}/docs/${name.replace(/\.html$/, '').replace(/(^|\/)index$/, '$1')}`);
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect({ name, problems, overflow }).toEqual({ name, problems: [], overflow: 0 });
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT }, worker));
  await context.close();
});

test('the search finds a word of a guide, and opens its page', async () => {
  const { page, problems } = await open('/docs/');
  await page.keyboard.press('Control+k');
  await page.locator('#localsearch-input').fill('lease');
  await page.locator('.VPLocalSearchBox .result').first().click();
  await page.waitForURL(/\/docs\/.+/);
  await expect.poll(() => page.locator('.vp-doc').innerText()).toMatch(/lease/i);
  expect(problems).toEqual([]);
});

test('a reader chooses a language once: the next page shows it too', async () => {
  const { page } = await open('/docs/guides/publishing');
  await page.locator('.vp-code-group label', { hasText: 'Python' }).first().click();
  await expect.poll(() => page.locator('.vp-code-group .active').first().innerText()).toContain('urlopen');
  await page.goto(`${hub.url}/docs/guides/long-polling`);
  await expect.poll(() => page.locator('.vp-code-group .active').first().innerText()).toContain('urlopen');
});

test('the copy button copies the code alone', async () => {
  const { page } = await open('/docs/guides/publishing');
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  // The hub of this test has another port than the one in the guides.
  await expect.poll(() => page.locator('.vp-code-group .active').first().innerText()).toContain(hub.url);
  await page.locator('.vp-code-group .active button.copy').first().click();
  const copied = (): Promise<string> => page.evaluate(() => navigator.clipboard.readText());
  await expect.poll(copied).toContain(hub.url);
  expect(await copied()).toMatch(/^curl -s http:\/\/127\.0\.0\.1:\d+\/v1\/events .+\}'$/s);
});

test('the theme follows the system, and a switch changes it', async () => {
  const { page } = await open('/docs/guides/keys', { colorScheme: 'dark' });
  const isDark = (): Promise<boolean> => page.evaluate(() => document.documentElement.classList.contains('dark'));
  expect(await isDark()).toBe(true);
  await page.locator('.VPSwitchAppearance').first().click();
  await expect.poll(isDark).toBe(false);
});

test('a diagram is drawn in the page', async () => {
  const { page } = await open('/docs/guides/server-sent-events');
  expect(await page.locator('.diagram svg text').allTextContents()).toContain('the connection breaks');
});

test('on a phone a diagram is a list of its steps, and the headline of the first page is above its drawing', async () => {
  const { page } = await open('/docs/guides/job-queue', { viewport: NARROW });
  expect(await page.locator('.diagram svg').isVisible()).toBe(false);
  expect(await page.locator('.diagram li').first().innerText()).toMatch(/Backend → Hub\s+POST a job, as an event/);
  await page.goto(`${hub.url}/docs/`);
  const [headline, drawing] = await Promise.all([
    page.locator('.VPHero .text').boundingBox(),
    page.locator('.VPHero .fan').boundingBox(),
  ]);
  expect(headline?.y).toBeLessThan(drawing?.y ?? 0);
});

test('a page shows the address of the hub that serves it', async () => {
  const { page, problems } = await open('/docs/');
  const text = (): Promise<string> => page.locator('.vp-doc').first().innerText();
  await expect.poll(text).toContain(`${hub.url}/client.js`);
  expect(await text()).not.toContain('http://127.0.0.1:7400');
  expect(await page.locator('a', { hasText: '/lab' }).getAttribute('href')).toBe(`${hub.url}/lab`);
  await page.locator('.vp-doc a', { hasText: 'Getting started' }).click();
  await expect.poll(() => page.locator('.vp-doc').innerText()).toContain(`${hub.url}/client.js`);
  expect(problems).toEqual([]);
});

test('llms.txt lists pages that exist as Markdown', async () => {
  const list = await (await fetch(`${hub.url}/docs/llms.txt`)).text();
  const links = [...list.matchAll(/\]\((\/docs\/[^)]+)\)/g)].map(([, path]) => path);
  expect(links.length).toBeGreaterThan(35);
  for (const path of links) {
    const response = await fetch(hub.url + path);
    expect([path, response.status, await response.text()]).toEqual([path, 200, expect.stringMatching(/^# /m)]);
  }
});

test('the page of the first steps, opened as a file, shows an event that is published', async () => {
  const source = readPages(ROOT)
    .get('docs/README.md')
    ?.find(({ language }) => language === 'html')?.text;
  const folder = mkdtempSync(join(tmpdir(), 'polycast-first-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'orders.html');
  writeFileSync(file, source?.replaceAll('http://127.0.0.1:7400', hub.url) ?? '');
  const page = await browser.newPage();
  await page.goto(`file://${file}`);
  await fetch(`${hub.url}/v1/channels/orders.42/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"state":"baked"}',
  });
  await expect.poll(() => page.locator('#orders li').allInnerTexts()).toContain('orders.42: {"state":"baked"}');
});

test('the site has the pages that the sidebar promises, and no file is a test', () => {
  const index = readFileSync(join(SITE, 'guides/keys.html'), 'utf8');
  for (const section of ['Start', 'Deliver', 'Examples', 'Secure', 'Operate', 'Reference', 'Understand'])
    expect(index).toContain(`>${section}</`);
});

async function open(
  path: string,
  options: { readonly colorScheme?: 'dark'; readonly viewport?: typeof NARROW } = {},
): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.newContext(options);
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const problems = problemsOf(page);
  await page.goto(hub.url + path, { waitUntil: 'networkidle' });
  // Before Vue has taken over the page, a click does nothing.
  await page.waitForFunction(() => '__vue_app__' in (document.querySelector('#app') ?? {}));
  return { page, problems };
}

/** Errors of the console and of scripts, failed requests, and requests to another origin. */
function problemsOf(page: Page): string[] {
  const problems: string[] = [];
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(error.message));
  page.on(
    'response',
    (response) => response.status() >= 400 && problems.push(`${response.status()} ${response.url()}`),
  );
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== hub.url && !request.url().startsWith('data:')) problems.push(request.url());
  });
  return problems;
}
