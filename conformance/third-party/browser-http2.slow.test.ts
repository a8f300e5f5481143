import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { selfSigned } from '../kit/certificates.ts';
import { call, publish } from '../kit/http.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

/**
 * A browser's own HTTP/2 (PROTOCOL.md section 13.8): more event streams than the six connections
 * that HTTP/1.1 has for a host.
 */
const CHROMIUM = process.env['POLYCAST_CHROMIUM'] ?? '/usr/bin/chromium';
const isInstalled = existsSync(CHROMIUM);
const STREAMS = 20;
let hub: HubProcess;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  if (!isInstalled) return;
  hub = await startHubProcess({ config: { tls: selfSigned(), delivery: { reconnectMs: 200 } } });
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  page = await browser.newPage({ ignoreHTTPSErrors: true });
  // Any page of the hub's own origin is sufficient.
  await page.goto(`${hub.url}/healthz`);
});
afterAll(async () => {
  await browser?.close();
  await hub?.end('SIGKILL');
});

describe.skipIf(!isInstalled)('Chromium over HTTP/2', () => {
  test(`${STREAMS} EventSources, a poll and a publish share one connection, and all receive the event`, async () => {
    await page.evaluate((count) => {
      const seen: string[][] = Array.from({ length: count }, () => []);
      const opened: number[] = [];
      const sources = seen.map((each, index) => {
        const source = new EventSource(`/v1/events?channel=page.${index}&channel=all`);
        source.onopen = () => opened.push(index);
        source.onmessage = ({ data }) => each.push(JSON.parse(data).data);
        return source;
      });
      Object.assign(window, { seen, opened, sources });
    }, STREAMS);
    await until('all are open', () => page.evaluate<boolean>(`window.opened.length === ${STREAMS}`));
    const { text } = await call(`${hub.url}/metrics`);
    expect(text).toMatch(/^polycast_http2_connections 1$/m);
    expect(text).toMatch(new RegExp(`^polycast_http2_streams ${STREAMS}$`, 'm'));
    for (let n = 0; n < STREAMS; n++) await publish(hub.url, { channel: `page.${n}`, data: `own ${n}` });
    const published = await page.evaluate(async () => {
      const init = {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{"channel":"all","data":"é"}',
      };
      const answer = await fetch('/v1/events', init);
      const polled = await fetch('/v1/events?channel=all&after=earliest');
      return [answer.status, (await polled.json()).events.length];
    });
    expect(published).toEqual([201, 1]);
    expect((await call(`${hub.url}/metrics`)).text).toMatch(/^polycast_http2_connections 1$/m);
    await until('all have heard', () => page.evaluate<boolean>(`window.seen.every(({ length }) => length === 2)`));
    expect(await page.evaluate('window.seen')).toEqual(Array.from({ length: STREAMS }, (_, n) => [`own ${n}`, 'é']));
  });

  test('a stream that is closed ends, and the others continue', async () => {
    await page.evaluate('window.sources.slice(1).forEach((source) => source.close())');
    const streams = async (): Promise<string | undefined> =>
      /^polycast_http2_streams (\d+)$/m.exec((await call(`${hub.url}/metrics`)).text)?.[1];
    await until('they are gone', async () => (await streams()) === '1');
    await publish(hub.url, { channel: 'all', data: 'last' });
    await until('the first hears', () => page.evaluate<boolean>(`window.seen[0].at(-1) === 'last'`));
  });

  test('a WebSocket works beside it, over HTTP/1.1', async () => {
    const received = await page.evaluate(
      () =>
        new Promise((resolve, reject) => {
          const socket = new WebSocket(`wss://${location.host}/v1/events?channel=all&after=earliest`, 'polycast.v1');
          socket.onerror = reject;
          socket.onmessage = ({ data }) => {
            const message = JSON.parse(data);
            if (message.data === 'last') resolve(message.channel);
          };
        }),
    );
    expect(received).toBe('all');
  });
});
