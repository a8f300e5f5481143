import { chromium, type Browser, type Page } from 'playwright-core';

/** The path of Debian's package. */
const CHROMIUM = process.env['POLYCAST_CHROMIUM'] ?? '/usr/bin/chromium';

/** Chromium, without requests to other machines. The caller closes it. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
}

export interface PageOptions {
  /** @default 1280 */
  readonly width?: number;
  /** @default light */
  readonly colorScheme?: 'light' | 'dark';
}

export interface OpenPage {
  readonly page: Page;
  /** Errors of scripts and of the console, except those of a network that is cut. */
  readonly errors: string[];
}

/** Opens an address in a browser profile of its own. */
export async function openPage(
  browser: Browser,
  url: string,
  { width = 1280, colorScheme = 'light' }: PageOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (
      message.type() === 'error' &&
      !/net::ERR_|status of 50[23]|^WebSocket connection to .* failed/.test(message.text())
    )
      errors.push(message.text());
  });
  await page.goto(url);
  return { page, errors };
}

/** By how many pixels a page is wider than its window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
