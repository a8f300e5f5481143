import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { publish } from '../kit/http.ts';
import { until } from '../kit/wait.ts';

/**
 * A real browser's own EventSource, WebSocket and fetch, in a page of another origin (PROTOCOL.md
 * sections 6 and 7).
 */
const CHROMIUM = process.env['POLYCAST_CHROMIUM'] ?? '/usr/bin/chromium';
const isInstalled = existsSync(CHROMIUM);
const data = temporaryFolder('browser');
let hub: HubProcess;
let browser: Browser;
const servers: Server[] = [];
let friend: Page;
let stranger: Page;

beforeAll(async () => {
  if (!isInstalled) return;
  const [allowed, foreign] = [await servePage(), await servePage()];
  hub = await startHubProcess({ data, config: { allowedOrigins: [allowed], delivery: { reconnectMs: 200 } } });
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
  [friend, stranger] = [await browser.newPage(), await browser.newPage()];
  await friend.goto(allowed);
  await stranger.goto(foreign);
});
afterAll(async () => {
  await browser?.close();
  for (const server of servers) server.close();
  await hub?.end('SIGKILL');
});

describe.skipIf(!isInstalled)('Chromium', () => {
  test('EventSource reads across origins, recognises named events, and reconnects after a crash of the hub', async () => {
    await friend.evaluate((url) => {
      const source = new EventSource(`${url}/v1/events?channel=page`);
      const seen: unknown[] = [];
      Object.assign(window, { source, seen, ready: 0 });
      source.onmessage = ({ data: text, lastEventId }) => seen.push([lastEventId, JSON.parse(text).data]);
      source.addEventListener('polycast.ready', () => (window as unknown as { ready: number }).ready++);
    }, hub.url);
    const count = (name: 'ready' | 'seen.length'): Promise<number> => friend.evaluate(`window.${name}`);
    await until('it is ready', async () => (await count('ready')) === 1);
    const expected: unknown[] = [];
    const publishSome = async (): Promise<void> => {
      for (let n = 0; n < 10; n++)
        expected.push([(await publish(hub.url, { channel: 'page', data: `é ${n}` })).id, `é ${n}`]);
    };
    await publishSome();
    await until('all has come', async () => (await count('seen.length')) === 10);
    const { port } = hub;
    await hub.end('SIGKILL');
    hub = await startHubProcess({
      data,
      port,
      config: { allowedOrigins: [new URL(friend.url()).origin], delivery: { reconnectMs: 200 } },
    });
    await publishSome();
    await until('it has come back', async () => (await count('seen.length')) === 20);
    expect(await friend.evaluate('window.seen')).toEqual(expected);
    await friend.evaluate('window.source.close()');
  });

  test('WebSocket reads, publishes and is closed with a code', async () => {
    const outcome = await friend.evaluate(async (url) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/events?channel=socket`, 'polycast.v1');
      const messages: { op?: string; data?: unknown }[] = [];
      const closed = new Promise<number>((resolve) => (socket.onclose = ({ code }) => resolve(code)));
      const event = new Promise<unknown>((resolve) => {
        socket.onmessage = ({ data: text }) => {
          const message = JSON.parse(text as string) as { op?: string; data?: unknown };
          messages.push(message);
          if (message.op === 'ready')
            socket.send(JSON.stringify({ op: 'publish', ref: 'x', channel: 'socket', data: 'from the page' }));
          if (message.op === undefined) resolve(message.data);
        };
      });
      const got = await event;
      for (let n = 0; n < 20; n++) socket.send('nonsense');
      return { got, protocol: socket.protocol, code: await closed };
    }, hub.url);
    expect(outcome).toEqual({ got: 'from the page', protocol: 'polycast.v1', code: 4400 });
  });

  test('fetch publishes with a preflight, polls, and can read the exposed headers', async () => {
    const outcome = await friend.evaluate(async (url) => {
      const publishing = {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'page' },
        body: '{"channel":"fetch","data":1}',
      };
      const published = await fetch(`${url}/v1/events`, publishing);
      const again = await fetch(`${url}/v1/events`, publishing);
      const poll = await fetch(`${url}/v1/events?channel=fetch&after=earliest`);
      const answer = (await poll.json()) as { events: unknown[] };
      const conditional = await fetch(`${url}/v1/channels/fetch/events`, {
        method: 'POST',
        headers: { 'If-None-Match': '*', 'Polycast-Type': 't' },
        body: 'x',
      });
      return {
        status: published.status,
        replayed: again.headers.get('Idempotency-Replayed'),
        etag: poll.headers.get('ETag') !== null,
        events: answer.events.length,
        conditional: conditional.status,
      };
    }, hub.url);
    expect(outcome).toEqual({ status: 201, replayed: 'true', etag: true, events: 1, conditional: 412 });
  });

  test('a page of an origin that is not allowed can neither read nor write', async () => {
    await publish(hub.url, { channel: 'private', data: 'secret' });
    const outcome = await stranger.evaluate(async (url) => {
      const reading = await fetch(`${url}/v1/events?channel=private&after=earliest`).then(
        async (answer) => ((await answer.json()) as { code?: string }).code,
        () => 'refused',
      );
      const writing = await fetch(`${url}/v1/channels/private/events`, {
        method: 'POST',
        mode: 'no-cors',
        body: 'forged',
      }).then(
        () => 'sent',
        () => 'refused',
      );
      const streaming = await new Promise((resolve) => {
        const source = new EventSource(`${url}/v1/events?channel=private`);
        source.onopen = () => resolve('open');
        source.onerror = () => resolve('refused');
      });
      const socket = await new Promise((resolve) => {
        const webSocket = new WebSocket(`${url.replace('http', 'ws')}/v1/events?channel=private`);
        webSocket.onopen = () => resolve('open');
        webSocket.onclose = () => resolve('refused');
      });
      return { reading, writing, streaming, socket };
    }, hub.url);
    // A page may send requests without a preflight. It does not receive the answer, and the hub
    // does not perform them.
    expect(outcome).toEqual({
      reading: 'origin_not_allowed',
      writing: 'refused',
      streaming: 'refused',
      socket: 'refused',
    });
    const { events } = (await (await fetch(`${hub.url}/v1/events?channel=private&after=earliest`)).json()) as {
      events: { data: unknown }[];
    };
    expect(events.map((event) => event.data)).toEqual(['secret']);
  });
});

/** An empty page with its own origin. */
async function servePage(): Promise<string> {
  const server = createServer((_request, response) =>
    response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>page</title>'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
