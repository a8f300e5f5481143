import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { unusedPort } from '../../../scripts/unused-port.ts';
import { endProcess } from './end-process.ts';

const CLI = process.env['TESTED_POLYCAST'] ?? join(import.meta.dirname, '../../server/src/cli/polycast.ts');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** A hub as an operator starts it. */
export interface ConsoleHub {
  readonly url: string;
  /** The first key; empty for a hub without access control. */
  readonly key: string;
  /** Ends the process in order, and starts it again on the same data and port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  /** Sends a request as the administrator. */
  administer<Answer = Readonly<Record<string, unknown>>>(method: string, path: string, body?: unknown): Promise<Answer>;
}

/** @param settings `path=value` */
export async function startConsoleHub(command: 'serve' | 'dev', ...settings: readonly string[]): Promise<ConsoleHub> {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-console-'));
  const flags = [...settings, 'drain.timeMs=0'].flatMap((setting) => ['--set', setting]);
  const start = async (address: string): Promise<Started> => {
    const args = [CLI, command, '--json', '--listen', address, '--data', join(folder, 'data'), ...flags];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    while (!output.includes('\n')) {
      await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
      if (child.exitCode !== null) throw new Error(`the hub ended with ${child.exitCode}`);
    }
    const { url, firstKey } = JSON.parse(output.split('\n')[0] ?? '') as { url: string; firstKey: string | null };
    return { url, firstKey, stop: () => endProcess(child) };
  };
  // No other program takes it during a restart.
  const listen = `127.0.0.1:${await unusedPort()}`;
  let started = await start(listen);
  const { url, firstKey } = started;
  return {
    url,
    key: firstKey ?? '',
    async restart() {
      await started.stop();
      started = await start(listen);
    },
    async stop() {
      await started.stop();
      rmSync(folder, { recursive: true, force: true });
    },
    async administer(method, path, body) {
      const response = await fetch(url + path, {
        method,
        headers: {
          ...(firstKey !== null && { authorization: `Bearer ${firstKey}` }),
          'content-type': 'application/json',
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(text);
      return JSON.parse(text === '' ? '{}' : text) as never;
    },
  };
}

interface Started {
  readonly url: string;
  readonly firstKey: string | null;
  readonly stop: () => Promise<void>;
}

export interface ConsolePage {
  readonly page: Page;
  /** The errors of the browser, and violations of the page's policy. */
  readonly errors: string[];
}

/** A page of the console. A hub with a key: the browser has logged in. */
export async function openConsole(
  browser: Browser,
  hub: Pick<ConsoleHub, 'url' | 'key'>,
  path: string,
  options: BrowserContextOptions = {},
): Promise<ConsolePage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error(`CSP: ${violatedDirective} ${blockedURI}`),
    ),
  );
  await page.goto(`${hub.url}/console/${path}`);
  if (hub.key !== '') {
    await page.getByLabel('Key or token').fill(hub.key);
    await page.getByRole('button', { name: 'Log in' }).click();
    // The login has a heading too: without this, a test could begin in the middle of the login.
    await page.getByLabel('Key or token').waitFor({ state: 'detached' });
  }
  await page.locator('main h1').waitFor();
  return { page, errors };
}

/** The violations that axe-core calls serious or critical, in the page as it is now. */
export async function seriousViolations(page: Page): Promise<readonly string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run: () => Promise<AxeResults> } };
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
  });
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}

/** The texts of cells that show only after their table is scrolled. */
function cellsBesideScreen(): readonly string[] {
  return [...document.querySelectorAll('td')]
    .filter((cell) => cell.getBoundingClientRect().right > innerWidth)
    .map((cell) => cell.textContent);
}

/**
 * Light at 1280 px and dark at 390 px: nothing serious for axe-core,
 * and nothing wider than the page.
 */
export async function checkSmallAndDark(page: Page): Promise<void> {
  for (const [colorScheme, width] of [
    ['light', 1280],
    ['dark', 390],
  ] as const) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 844 });
    expect(await seriousViolations(page), `${colorScheme} at ${width}`).toEqual([]);
    // A chart follows the width of the page a moment later.
    await expect
      .poll(() => page.evaluate(() => document.documentElement.scrollWidth), { message: `${width}` })
      .toBeLessThanOrEqual(width);
    await expect.poll(() => page.evaluate(cellsBesideScreen), { message: `${width}` }).toEqual([]);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: 'light' });
}
