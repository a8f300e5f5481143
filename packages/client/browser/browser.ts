import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';
import type * as Client from '../src/index.ts';
import type * as Presence from '../src/presence.ts';
import type * as Tabs from '../src/tabs.ts';
import type { Proxy } from '../src/testing/proxy.ts';

/** The tools of these tests in a page. */
declare global {
  interface Window {
    client: typeof Client;
    tabs: typeof Tabs;
    presence: typeof Presence.presence;
    connection: Client.Connection;
    seen: unknown[];
    states: string[];
  }
}

const EXECUTABLE = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
/** As root, without a display, and without the services that a browser calls by itself. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
}

/** A browser's profile: its pages share storage, locks and channels. */
export async function contextForTest(browser: Browser): Promise<BrowserContext> {
  const context = await browser.newContext();
  context.setDefaultTimeout(120_000);
  onTestFinished(() => context.close());
  return context;
}

const PAGE = `<!doctype html><title>Test</title><script type="module">
  import * as client from '/client.js';
  import * as tabs from '/client/tabs.js';
  import { presence } from '/client/presence.js';
  Object.assign(window, { client, tabs, presence, seen: [], states: [] });
</script>`;

/** A page of the hub's own origin that loads `/client.js` with a plain script. */
export async function openPage(context: BrowserContext, proxy: Proxy): Promise<Page> {
  proxy.page = PAGE;
  const page = await context.newPage();
  await page.goto(`${proxy.url}/test-page`);
  return page;
}

/** Subscribes in the page, and waits until the subscription receives every later event. */
export async function subscribe(
  page: Page,
  channel: string,
  { shared = false, ...options }: Client.ConnectOptions & { readonly shared?: boolean } = {},
  from: Client.SubscribeOptions = {},
): Promise<void> {
  await page.waitForFunction(() => window.client !== undefined);
  await page.evaluate(
    async ([channel, options, from, shared]) => {
      window.connection = window.client.connect('/', {
        readyTimeoutMs: 20_000,
        backoffBaseMs: 20,
        backoffCapMs: 200,
        ...options,
        share: shared ? window.tabs.shareTabs() : undefined,
      });
      window.connection.on(
        'state',
        ({ state, transport }) => void window.states.push(`${state} ${transport ?? ''}`.trim()),
      );
      await window.connection.subscribe(channel, ({ data }) => window.seen.push(data), from).joined;
    },
    [channel, options as Record<string, string>, from, shared] as const,
  );
}

export async function untilSeen(page: Page, count: number): Promise<unknown[]> {
  await page.waitForFunction((count) => window.seen.length >= count, count);
  return page.evaluate(() => window.seen);
}
