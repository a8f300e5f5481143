import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { expect } from 'vitest';
import type { connect } from '@polycast/client';

declare global {
  interface Window {
    connectToHub: typeof connect;
  }
}

/**
 * A page of another origin loads these files, and its module publishes and receives.
 * @param files by their paths; `/page.js` is the module that the page starts
 */
export async function usePage(
  browser: Browser,
  hubUrl: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const server = createServer(({ url = '' }, response) => {
    const file = files[url];
    if (url === '/') return response.setHeader('Content-Type', 'text/html').end(PAGE);
    if (file === undefined) return response.writeHead(404).end();
    return response.setHeader('Content-Type', 'text/javascript').end(readFileSync(file));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const page = await browser.newPage();
  try {
    const errors: string[] = [];
    page.on('pageerror', ({ message }) => errors.push(message));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction(() => window.connectToHub !== undefined);
    const channel = `pages.${Math.random().toString(36).slice(2)}`;
    const received = await page.evaluate(
      async ([url, channel]) => {
        // A slow machine is no reason for another transport.
        const connection = window.connectToHub(url, { readyTimeoutMs: 60_000 });
        const { promise, resolve } = Promise.withResolvers<unknown>();
        await connection.subscribe(channel, ({ data }) => resolve([data, connection.state.transport])).joined;
        await connection.publish(channel, { from: 'a page' });
        return promise;
      },
      [hubUrl, channel] as const,
    );
    expect(received).toEqual([{ from: 'a page' }, 'websocket']);
    expect(errors).toEqual([]);
  } finally {
    await page.close();
    server.close();
    server.closeAllConnections();
  }
}

const PAGE = '<!doctype html><title>Shop</title><script type="module" src="/page.js"></script>';
