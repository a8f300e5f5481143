import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Frame, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { endProcess } from './end-process.ts';
import { startBrowser } from './lab-page.ts';

const CLI = process.env['TESTED_POLYCAST'] ?? join(import.meta.dirname, '../../server/src/cli/polycast.ts');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** A server on a free port. Pages of `localhost` and of `127.0.0.1` are of different sites. */
async function serve(answer: RequestListener): Promise<number> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const closers: (() => void | Promise<void>)[] = [];
let browser: Browser;
/**
 * The hub, the product that embeds the portal, a page of somebody else,
 * and the customer's endpoint.
 */
let hub: string;
let product: string;
let stranger: string;
let endpoint: string;
let key = '';
/** What the endpoint answers. */
let status = 200;
/** The page that the product and the stranger show. */
let frameUrl = '';

beforeAll(async () => {
  const page: RequestListener = (_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><title>Shop</title><iframe src="${frameUrl}" width="100%" height="800"></iframe>`);
  };
  product = `http://localhost:${await serve(page)}`;
  stranger = `http://localhost:${await serve(page)}`;
  const port = await serve((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const { data } = JSON.parse(body) as { data?: { challenge?: string } };
      response.writeHead(status).end(data?.challenge ?? 'thank you');
    });
  });
  endpoint = `http://127.0.0.1:${port}/hook`;
  const folder = mkdtempSync(join(tmpdir(), 'polycast-portal-'));
  const config = {
    listen: '127.0.0.1:0',
    data: join(folder, 'data'),
    portal: { channels: ['customers.{owner}.>'], frameOrigins: [product] },
    outgoing: { allow: [`127.0.0.1:${port}`] },
    eventTypes: [
      { name: 'order.paid', description: 'An order was paid.', channels: ['customers.>'] },
      { name: 'order.sent', description: 'An order left the warehouse.', channels: ['customers.>'] },
    ],
  };
  writeFileSync(join(folder, 'polycast.yaml'), JSON.stringify(config));
  const child = spawn(process.execPath, [CLI, 'serve', '--config', join(folder, 'polycast.yaml')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  closers.push(async () => {
    await endProcess(child);
    rmSync(folder, { recursive: true });
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  while (!/listening on (\S+)\n/.test(output) || !/pck_\w+/.test(output)) await once(child.stdout, 'data');
  hub = /listening on (\S+)\n/.exec(output)?.[1] ?? '';
  key = /pck_\w+/.exec(output)?.[0] ?? '';
  browser = await startBrowser();
});

afterAll(async () => {
  await browser?.close();
  for (const close of closers.toReversed()) await close();
});

async function ask(method: string, path: string, body: object): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(hub + path, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Record<string, unknown>;
}

async function linkOf(owner: string, more: object = {}): Promise<string> {
  return String((await ask('POST', '/v1/portal-links', { owner, ...more }))['url']);
}

/** A page of the product with the portal in its frame. */
async function openProduct(
  url: string,
  options: Parameters<Browser['newPage']>[0] = {},
): Promise<{
  readonly page: Page;
  readonly frame: Frame;
  readonly errors: string[];
}> {
  frameUrl = url;
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  onTestFinished(() => page.close());
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(product);
  const frame = page.frames().find((each) => each !== page.mainFrame());
  if (frame === undefined) throw new Error('the page has no frame');
  return { page, frame, errors };
}

/** What axe-core finds that is serious or critical. */
async function seriousFindings(frame: Frame): Promise<string[]> {
  await frame.evaluate(AXE);
  return frame.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  });
}

const SHOTS = process.env['PORTAL_SCREENSHOTS'];

async function shoot(page: Page, name: string): Promise<void> {
  if (SHOTS !== undefined) await page.screenshot({ path: join(SHOTS, `${name}.png`) });
}

for (const [name, options] of [
  ['1280-light', { viewport: { width: 1280, height: 900 }, colorScheme: 'light' }],
  ['390-dark', { viewport: { width: 390, height: 844 }, colorScheme: 'dark' }],
] as const)
  test(`a customer adds an endpoint in the frame of the product, and manages it: ${name}`, async () => {
    status = 500;
    const owner = `acme-${name}`;
    const { page, frame, errors } = await openProduct(await linkOf(owner), options);
    await frame.getByText('There is no endpoint yet.').waitFor();
    expect(await seriousFindings(frame)).toEqual([]);
    await frame.getByRole('button', { name: 'Add endpoint' }).click();
    await frame.getByLabel('URL of your endpoint').fill(endpoint);
    await frame.getByLabel('Only these types').check();
    // No type is not all types.
    expect(await frame.getByRole('button', { name: 'Add endpoint' }).isDisabled()).toBe(true);
    await frame.getByLabel('order.paid').check();
    await shoot(page, `${name}-form`);
    expect(await seriousFindings(frame)).toEqual([]);
    await frame.getByRole('button', { name: 'Add endpoint' }).click();
    await frame.getByText(/^whsec_/).waitFor();
    await shoot(page, `${name}-secret`);
    await frame.getByRole('button', { name: 'I have stored it' }).click();
    await frame.getByText('Not verified').waitFor();
    await frame.getByText('Refused by the endpoint').first().waitFor();

    status = 200;
    // The hub refuses verifications that follow each other closely, and the page says so.
    await expect
      .poll(
        async () => {
          const button = frame.getByRole('button', { name: 'Verify again' });
          // The hub verifies by itself as well, and then the button is gone.
          if ((await button.count()) > 0) await button.click({ timeout: 1000 }).catch(() => undefined);
          return frame.getByText('Active', { exact: true }).count();
        },
        { interval: 500 },
      )
      .toBe(1);
    await frame.getByRole('button', { name: 'Send a test' }).click();
    await frame.getByText('The test was delivered').waitFor();
    const channel = `customers.${owner}.orders`;
    await ask('POST', '/v1/events', { channel, type: 'order.paid', data: { total: 4200 } });
    const attempts = frame.locator('.attempts > li');
    const payload = frame.getByText('"total": 4200').first();
    // The page shows the attempt by itself. Its event is shown where it is opened.
    await expect
      .poll(async () => {
        const closed = frame.locator('.attempts details:not([open]) > summary');
        if ((await closed.count()) > 0) await closed.first().click();
        return payload.isVisible();
      })
      .toBe(true);
    const before = await attempts.count();
    await frame.getByRole('button', { name: 'Send a test' }).click();
    await expect.poll(() => attempts.count()).toBeGreaterThan(before);
    expect(await payload.isVisible()).toBe(true);
    await shoot(page, `${name}-attempts`);
    expect(await seriousFindings(frame)).toEqual([]);
    await frame.getByRole('button', { name: 'Settings' }).click();
    await frame.getByRole('button', { name: 'Send again' }).click();
    await frame.getByText('The events are being sent again.').waitFor();
    await shoot(page, `${name}-settings`);
    expect(await seriousFindings(frame)).toEqual([]);
    await frame.getByRole('button', { name: 'Create a new secret' }).click();
    await frame.getByText(/^whsec_/).waitFor();
    await frame.getByRole('button', { name: 'I have stored it' }).click();
    await frame.getByRole('button', { name: 'Settings' }).click();
    await frame.getByLabel(/to confirm/).fill(new URL(endpoint).host);
    await frame.getByRole('button', { name: 'Remove' }).click();
    await frame.getByText('There is no endpoint yet.').waitFor();
    const excess = await frame.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(excess).toBeLessThanOrEqual(0);
    expect(errors.filter((text) => !/status of 4\d\d/.test(text))).toEqual([]);
  });

test('an event that was not delivered is retried from the page', async () => {
  status = 200;
  const url = await linkOf('retrying');
  const token = new URL(url).hash.slice('#token='.length);
  const created = await fetch(`${hub}/v1/subscriptions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      channels: ['customers.retrying.>'],
      delivery: { kind: 'webhook', url: endpoint, retryDelaysSeconds: [] },
    }),
  });
  const { id } = (await created.json()) as { id: string };
  const stateOf = async (): Promise<unknown> =>
    (
      (await (
        await fetch(`${hub}/v1/subscriptions/${id}`, { headers: { authorization: `Bearer ${token}` } })
      ).json()) as {
        state: string;
      }
    ).state;
  await expect.poll(stateOf).toBe('active');
  status = 500;
  await ask('POST', '/v1/events', { channel: 'customers.retrying.orders', data: 1 });
  const { page, frame } = await openProduct(url);
  await frame.getByText('1 not delivered').waitFor();
  status = 200;
  await frame.getByText('1 not delivered').click();
  await frame.getByRole('button', { name: 'Not delivered (1)' }).click();
  await shoot(page, '1280-dead-letters');
  expect(await seriousFindings(frame)).toEqual([]);
  await frame.getByRole('button', { name: 'Retry', exact: true }).click();
  await frame.getByText('1 sent again.').waitFor();
  await frame.getByText('Everything was delivered').waitFor();
});

test('the token is in no request, no referrer, no storage and no history; the theme is applied', async () => {
  const url = await linkOf('quiet', { theme: { accent: '#aa0055', appearance: 'dark', radius: '2px' } });
  const token = new URL(url).hash.slice('#token='.length);
  frameUrl = url;
  const page = await browser.newPage();
  onTestFinished(() => page.close());
  const sent: string[] = [];
  page.on('request', (request) => sent.push(`${request.url().split('#')[0]} ${request.headers()['referer'] ?? ''}`));
  await page.goto(product);
  const frame = page.frames()[1] as Frame;
  await frame.getByText('There is no endpoint yet.').waitFor();
  expect(sent.filter((text) => text.includes(token))).toEqual([]);
  expect(sent.some((text) => text.includes('/v1/portal'))).toBe(true);
  expect(frame.url()).not.toContain(token);
  // In a frame of another site, Chromium allows no storage at all.
  const stored = await frame.evaluate(() => {
    try {
      return JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie;
    } catch {
      return '{}';
    }
  });
  expect(stored).toBe('{}');
  const state = await frame.evaluate(() => ({
    accent: document.documentElement.style.getPropertyValue('--accent'),
    appearance: document.documentElement.dataset['appearance'],
  }));
  expect(state).toEqual({ accent: '#aa0055', appearance: 'dark' });
});

test('pages of other sites cannot frame the portal, call the hub with a stolen token, or read the frame', async () => {
  const url = await linkOf('victim');
  const token = new URL(url).hash.slice('#token='.length);
  frameUrl = url;
  const page = await browser.newPage();
  onTestFinished(() => page.close());
  const errors: string[] = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(stranger);
  await expect.poll(() => errors.some((text) => text.includes('frame-ancestors'))).toBe(true);
  expect(await page.frames()[1]?.getByText('There is no endpoint yet.').count()).toBe(0);
  const outcome = await page.evaluate(
    async ([address, bearer]) => {
      const call = (path: string, init: RequestInit): Promise<string> =>
        fetch(address + path, init).then(
          (response) => String(response.status),
          () => 'blocked',
        );
      const authorization = `Bearer ${bearer}`;
      return {
        read: await call('/v1/subscriptions', { headers: { authorization } }),
        write: await call('/v1/subscriptions', {
          method: 'POST',
          headers: { authorization, 'content-type': 'application/json' },
          body: '{}',
        }),
        simple: await call('/v1/subscriptions', { method: 'POST', credentials: 'include', body: '{}' }),
      };
    },
    [hub, token] as const,
  );
  expect(outcome.read).toMatch(/403|blocked/);
  expect(outcome.write).toMatch(/403|blocked/);
  expect(outcome.simple).toMatch(/403|blocked/);
  const { frame, page: embedding } = await openProduct(url);
  await frame.getByText('There is no endpoint yet.').waitFor();
  const seen = await embedding.evaluate(() => {
    try {
      return document.querySelector('iframe')?.contentDocument?.body.textContent ?? null;
    } catch (error) {
      return String(error);
    }
  });
  expect(seen).toBeNull();
});

test('without a link, and after its end, the page says what to do', async () => {
  const page = await browser.newPage();
  onTestFinished(() => page.close());
  const response = await page.goto(`${hub}/portal/`);
  await page.getByText('This page needs a link from your provider.').waitFor();
  const policy = response?.headers()['content-security-policy'] ?? '';
  expect(policy).toContain(`frame-ancestors 'self' ${product}`);
  expect(policy).not.toContain('unsafe-inline');
  // The browser does not load the page again: only the fragment changes.
  await page.goto(`${hub}/portal/#token=portal_wrong`);
  await page.getByText('Your session has ended.').waitFor();
  await page.goto(await linkOf('renewed'));
  await page.getByText('There is no endpoint yet.').waitFor();
  expect(page.url()).toBe(`${hub}/portal/`);
});

test('a queue that the product has made for its customer is no endpoint of the page', async () => {
  const delivery = { kind: 'pull' };
  const queue = await ask('POST', '/v1/subscriptions', { channels: ['customers.queued.>'], owner: 'queued', delivery });
  expect(queue).toMatchObject({ owner: 'queued', delivery });
  const { frame } = await openProduct(await linkOf('queued'));
  await frame.getByText('There is no endpoint yet.').waitFor();
});
