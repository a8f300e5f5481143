import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { unusedPort } from '../../../scripts/unused-port.ts';
import { endProcess } from './end-process.ts';

const CLI = process.env['TESTED_POLYCAST'] ?? join(import.meta.dirname, '../../server/src/cli/polycast.ts');

/** The path of Debian's package. */
const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** Options that prevent connections to other machines. */
const CHROMIUM_ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The longest duration that the hub accepts. */
const FAULT_DURATION_MS_MAX = 60_000;

export interface DevHub {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * `polycast dev` as a user starts it, on a temporary folder. Its port stays free for it while the
 * page restarts it.
 */
export async function startDevHub(): Promise<DevHub> {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-lab-'));
  const listen = `127.0.0.1:${await unusedPort()}`;
  const child = spawn(process.execPath, [CLI, 'dev', '--listen', listen, '--data', join(folder, 'data')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  while (!/listening on (\S+)\n/.test(output)) await once(child.stdout, 'data');
  return {
    url: /listening on (\S+)\n/.exec(output)?.[1] ?? '',
    async stop() {
      await endProcess(child);
      rmSync(folder, { recursive: true });
    },
  };
}

export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGUMENTS });
}

export interface LabPage {
  readonly page: Page;
  /** The errors of the browser, except those of a network that a test cuts. */
  readonly errors: string[];
}

async function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** The Lab, ready for an order. */
export async function openLab(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<LabPage> {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, ...options });
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' && !/net::ERR_|status of 503/.test(text)) errors.push(text);
  });
  await page.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error(`CSP: ${violatedDirective} ${blockedURI}`),
    ),
  );
  // A test before this one may have restarted the hub.
  while (!(await isReady(url))) await page.waitForTimeout(50);
  await page.goto(`${url}/lab`);
  await page.waitForSelector('.feed-open');
  return { page, errors };
}

/** A row of the cost table. */
export interface CostTableRow {
  readonly title: string;
  readonly requests: number;
  readonly wasted: number;
  /** `7 of 7`, with ` gap` if there was one. */
  readonly events: string;
}

/** The cost table of the current order, once it is complete. */
export async function costTable(page: Page): Promise<CostTableRow[]> {
  await page.waitForSelector('.verdicts', { timeout: 120_000 });
  const rows = await page.$$eval('.bill tbody tr', (lines) =>
    lines.map((line) => [...line.children].map((cell) => cell.textContent ?? '')),
  );
  return rows.map(([title = '', , , requests, wasted, , , events = '']) => ({
    title,
    requests: Number(requests),
    wasted: Number(wasted),
    events,
  }));
}

/** Waits until the kitchen has published this many steps. */
export async function orderAtStep(page: Page, step: number): Promise<void> {
  await page.waitForFunction((count) => document.querySelectorAll('.ticket li.done').length >= count, step);
}

/**
 * Lets the kitchen publish this many steps. The next one waits for the returned function: a test
 * that is late still acts in the middle of the order.
 */
export async function holdKitchen(page: Page, afterStep: number): Promise<() => void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const steps = new Set<string | undefined>();
  await page.route('**/v1/events', async (route) => {
    const request = route.request();
    // Another try of a step has the same key.
    const key = request.headers()['idempotency-key'];
    if (request.method() === 'POST' && steps.add(key).size > afterStep) await promise;
    await route.fallback();
  });
  return resolve;
}

/**
 * A fault that begins from now on lasts until its button is pressed again. By itself it ends after
 * a few seconds, and a machine that stands still for as long would not see its effect.
 */
export async function keepFaults(page: Page): Promise<void> {
  await page.route(/\/lab\/api\/lanes\/.+\?for=[1-9]\d*$/, (route) =>
    route.continue({ url: route.request().url().replace(/\d+$/, String(FAULT_DURATION_MS_MAX)) }),
  );
}

/** Moves a slider by keyboard to its first (`Home`) or last (`End`) value. */
export async function slide(page: Page, label: string, key: 'Home' | 'End'): Promise<void> {
  await page.getByLabel(label).focus();
  await page.keyboard.press(key);
}
