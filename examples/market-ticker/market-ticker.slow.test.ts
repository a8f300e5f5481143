import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '@polycast/client';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { pause, until } from '../../conformance/kit/wait.ts';
import { unusedPort } from '../../scripts/unused-port.ts';
import { startProxy } from '../../packages/client/src/testing/proxy.ts';
import { Part } from '../kit/part.ts';
import { startExample, type RunningExample } from '../kit/start-example.ts';
import { openPage, overflow, startBrowser } from '../kit/testing/browser.ts';
import { count, milliseconds, percentile, recordMeasurements } from '../kit/testing/measurements.ts';
import { openPrices as openWithWs } from './comparison/prices.ts';
import { openPrices } from './page/prices.ts';
import { SYMBOLS, type Price } from './services/market.ts';

/**
 * The ticker at full speed: in Chromium, with a viewer who stalls, and beside one with bare `ws`.
 */
/** More bytes than the kernel holds for a socket. */
const ROUNDS = 5;
const NOTE = 'x'.repeat(4000);
let market: RunningExample;
let browser: Browser;

beforeAll(async () => {
  [market, browser] = await Promise.all([startExample('market-ticker'), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await market?.stop();
});

test('rows that scroll into view have their prices at once, and the page receives no others', async () => {
  for (const [width, colorScheme] of [
    [1280, 'light'],
    [390, 'dark'],
  ] as const) {
    const { page, errors } = await openPage(browser, 'about:blank', { width, colorScheme });
    onTestFinished(() => page.context().close());
    const received = new Set<string>();
    page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => {
        const [, symbol] = /"channel":"price\.(\w+)"/.exec(String(payload)) ?? [];
        if (symbol !== undefined) received.add(symbol);
      }),
    );
    await page.goto(market.url);
    await until('prices are shown', () =>
      page.evaluate(() => [...document.querySelectorAll('#rows tr')].every((row) => row.textContent?.includes('%'))),
    );
    await page.evaluate(() => document.querySelector('#scroller')?.scrollTo(0, 24 * 1000));
    await page.waitForFunction((symbol) => {
      const rows = [...document.querySelectorAll('#rows tr')];
      return rows[0]?.textContent?.startsWith(symbol) && rows.every((row) => row.textContent?.includes('%'));
    }, SYMBOLS[1000] as string);
    await until('it receives the rows on the screen and the chosen one, and no others', async () => {
      received.clear();
      await until('prices come', () => received.size > 20);
      return [...received].every((symbol) => symbol === SYMBOLS[0] || isNear(symbol, 1000));
    });
    expect(await overflow(page)).toBe(0);
    expect(errors).toEqual([]);
  }
});

test('rate, delay, requests and bytes of a viewer of 40 rows', async () => {
  const rows = [];
  for (const transport of ['websocket', 'sse', 'long-poll'] as const) {
    const client = `measured-${transport}`;
    const connection = connect(`${market.url}`, { transports: [transport] });
    onTestFinished(() => connection.close());
    const delays: number[] = [];
    const ofViewer = ({
      method = '',
      url = '',
    }: {
      readonly method?: string | undefined;
      readonly url?: string | undefined;
    }): boolean => method === 'GET' && url.startsWith('/v1/events');
    const subscription = connection.subscribe<Price>(
      SYMBOLS.slice(0, 40).map((symbol) => `price.${symbol}`),
      ({ data }) => delays.push(Math.max(0, Date.now() - data.atMs)),
    );
    await subscription.joined;
    delays.length = 0;
    const before = market.front.traffic(ofViewer);
    const startMs = performance.now();
    await pause(process.env['MEASURE'] === undefined ? 1000 : 10_000);
    await until(`${client} has received forty updates`, () => delays.length > 40);
    const seconds = (performance.now() - startMs) / 1000;
    const received = delays.length;
    const after = market.front.traffic(ofViewer);
    connection.close();
    rows.push({
      'viewer by': transport,
      'updates/s': count(received / seconds),
      'delay p50': milliseconds(percentile(delays, 0.5)),
      'delay p99': milliseconds(percentile(delays, 0.99)),
      'requests/s': count((after.requests - before.requests) / seconds),
      'bytes of an update': count((after.bytes - before.bytes) / received),
    });
  }
  const rates = (): number[] => {
    const lines = market
      .part('exchange')
      .log()
      .matchAll(/(\d+) updates\/s/g);
    return Array.from(lines, ([, rate]) => Number(rate));
  };
  await until('the exchange publishes', () => rates().some((rate) => rate > 0));
  const rate = percentile(rates(), 0.5);
  recordMeasurements(
    import.meta.dirname,
    rows.map((row) => ({ ...row, 'updates/s of the exchange': count(rate) })),
  );
});

describe('beside the same ticker with bare ws', () => {
  test('it has fewer lines', () => {
    const own = linesOf('page/prices.ts', 'polycast.yaml');
    const other = linesOf('comparison/prices.ts', 'comparison/server.ts');
    console.log(`lines: ${own} with Polycast, ${other} with ws`);
    expect(own).toBeLessThan(other);
  });

  test('a viewer who stalls gets the newest values; the other server keeps all old ones in its memory until then', async () => {
    const other = await startComparison();
    market.part('exchange').pause();
    const received: number[] = [];
    for (const { open, publish } of [
      {
        open: () => new WebSocket(`${market.hub.url.replace('http', 'ws')}/v1/events?channel=price.*`),
        publish: postTo(`${market.hub.url}/v1/events`, market.key),
      },
      { open: () => followAll(other.url as string), publish: postTo(other.url as string) },
    ]) {
      const socket = open();
      onTestFinished(() => socket.terminate());
      let hasBegun = false;
      socket.once('message', () => (hasBegun = true));
      // With one price: the kernel's buffer of a socket grows with what its program has read.
      await until('it has begun', async () => {
        await publish(roundOf(0).slice(0, 1));
        return hasBegun;
      });
      socket.pause();
      for (let round = 1; round <= ROUNDS; round++) await publish(roundOf(round));
      let messages = 0;
      const upToDate = new Set<string>();
      socket.on('message', (message) => {
        const { channel, data } = JSON.parse(String(message)) as { channel?: string; data?: Price };
        if (channel === undefined) return;
        messages++;
        if (data?.price === ROUNDS) upToDate.add(channel);
      });
      socket.resume();
      await until('it has the newest prices', () => upToDate.size === SYMBOLS.length);
      received.push(messages);
      socket.terminate();
    }
    market.part('exchange').resume();
    console.log(`prices that the viewer received: ${received[0]} with Polycast, ${received[1]} with ws`);
    const [polycast = 0, ws = 0] = received;
    // Those that neither the viewer nor the kernel took waited in the server.
    expect(ws).toBeGreaterThanOrEqual(ROUNDS * SYMBOLS.length);
    expect(polycast).toBeLessThan(ws / 1.5);
  });

  test('a restarted server knows the last prices; a proxy without WebSockets is no obstacle', async () => {
    const other = await startComparison();
    await fetch(other.url as string, {
      method: 'POST',
      body: JSON.stringify([{ channel: 'price.BABA', data: { price: 1, change: 0, atMs: 0 } }]),
    });
    await until('there are prices', async () => (await fetch(`${market.hub.url}/v1/channels/price.BABA`)).ok);
    market.part('exchange').pause();
    for (const part of [market.part('hub'), other]) {
      await part.kill('SIGKILL');
      await part.start();
    }
    const seen: Record<string, number[]> = { polycast: [], ws: [], polycastBlocked: [], wsBlocked: [] };
    const [hub, server] = [await startProxy(market.url), await startProxy(other.url as string)];
    hub.blocksWebSockets = server.blocksWebSockets = true;
    for (const [program, url] of [
      ['polycast', market.url],
      ['polycastBlocked', hub.url],
    ] as const) {
      const prices = openPrices(url, (_symbol, { price }) => seen[program]?.push(price));
      onTestFinished(() => prices.connection.close());
      prices.follow(['BABA']);
    }
    for (const [program, url] of [
      ['ws', other.url as string],
      ['wsBlocked', server.url],
    ] as const) {
      const prices = openWithWs(url, (_symbol, { price }) => seen[program]?.push(price));
      onTestFinished(() => prices.close());
      prices.follow(['BABA']);
    }
    await until('both have the price', () => seen['polycast']?.length === 1 && seen['polycastBlocked']?.length === 1);
    market.part('exchange').resume();
    // A price that comes before its viewer has asked is not sent to it.
    await until('the other program sees a price', async () => {
      await postTo(other.url as string)([{ channel: 'price.BABA', data: { price: 2, change: 0, atMs: 0 } }]);
      return seen['ws']?.length !== 0;
    });
    await until('it was refused behind the proxy', () => server.requests.filter(isUpgrade).length > 1);
    // The next price, and not the one from before the restart.
    expect([new Set(seen['ws']), seen['wsBlocked']]).toEqual([new Set([2]), []]);
  });
});

async function startComparison(): Promise<Part> {
  const port = await unusedPort();
  const part = new Part({
    name: 'comparison',
    command: ['node', 'comparison/server.ts'],
    folder: import.meta.dirname,
    url: `http://127.0.0.1:${port}`,
    environment: { PORT: String(port) },
  });
  await part.start();
  onTestFinished(() => part.kill());
  return part;
}

/** A viewer of all symbols of the other program. */
function followAll(url: string): WebSocket {
  const socket = new WebSocket(url.replace('http', 'ws'));
  socket.on('open', () => socket.send(JSON.stringify({ follow: SYMBOLS.map((symbol) => `price.${symbol}`) })));
  return socket;
}

function postTo(url: string, key = ''): (events: readonly object[]) => Promise<void> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` };
  return async (events) => {
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(events) });
    expect(response.status).toBe(200);
    await response.arrayBuffer();
  };
}

/** A new price of each symbol: the number of the round. */
function roundOf(round: number): object[] {
  const data = { price: round, change: 0, atMs: 0, note: NOTE };
  return SYMBOLS.map((symbol) => ({ channel: `price.${symbol}`, data }));
}

function isUpgrade(request: string): boolean {
  return request.startsWith('UPGRADE');
}

function isNear(symbol: string, row: number): boolean {
  const index = SYMBOLS.indexOf(symbol);
  return index >= row && index < row + 40;
}

function linesOf(...paths: string[]): number {
  const lines = paths.flatMap((path) => readFileSync(join(import.meta.dirname, path), 'utf8').split('\n'));
  return lines.filter((line) => !/^\s*(?:$|\/\/|\/?\*|#)/.test(line)).length;
}
