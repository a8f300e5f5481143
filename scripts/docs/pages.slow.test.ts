import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startBrowser } from '../../packages/console/browser/lab-page.ts';
import { parseConfig } from '../../packages/server/src/config/parse.ts';
import { startHub } from '../../packages/server/src/main.ts';
import { nameOf, readPages } from './blocks.ts';

/**
 * Every HTML page of the documentation, in a browser, served by a site of another origin than the
 * hub's.
 */
const pages = [...readPages(join(import.meta.dirname, '../..')).values()]
  .flat()
  .filter(({ language, notRun }) => language === 'html' && notRun === undefined)
  .map((block) => [nameOf(block), block] as const);

describe('pages that the documentation shows', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await startBrowser();
  });

  afterAll(() => browser.close());

  test.each(pages)('%s shows the published event', async (_name, { text }) => {
    const site = createServer((_request, response) => response.end(shown)).listen(0, 'localhost');
    await once(site, 'listening');
    const origin = `http://localhost:${(site.address() as AddressInfo).port}`;
    const allowedOrigins = [origin];
    const hub = await startHub(
      parseConfig({ listen: '127.0.0.1:0', access: 'loopback', data: ':memory:', allowedOrigins, ...SILENT }),
    );
    const shown = text.replaceAll('http://127.0.0.1:7400', hub.url);
    const page = await browser.newPage();
    onTestFinished(async () => {
      await page.close();
      await hub.close();
      site.close();
    });

    const errors: string[] = [];
    page.on('pageerror', ({ message }) => errors.push(message));
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));

    await page.goto(origin);
    await expect
      .poll(async () => ({ errors, isReading: SESSION.test(await (await fetch(`${hub.url}/metrics`)).text()) }))
      .toEqual({ errors: [], isReading: true });
    const body = '{"state":"baked"}';
    const published = await fetch(`${hub.url}/v1/channels/orders.42/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
    expect(published.status).toBe(201);
    await expect.poll(() => page.textContent('body')).toContain(body);
  });
});

/** A line of the metrics: one transport has a session. */
const SESSION = /^polycast_sessions\{.*\} [1-9]/m;
const SILENT = { logging: { level: 'silent' } };
