import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startHubProcess, type HubProcess } from '../../../conformance/kit/hub-process.ts';
import { until } from '../../../conformance/kit/wait.ts';
import type { RoomState } from './page.ts';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

let hub: HubProcess;
let site: Server;
let browser: Browser;
let page: Page;
const errors: string[] = [];

beforeAll(async () => {
  const script = await bundle();
  site = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.writeHead(200, { 'Content-Type': isScript ? 'text/javascript' : 'text/html' });
    response.end(isScript ? script : '<!doctype html><body><script type="module" src="/page.js"></script>');
  }).listen(0, '127.0.0.1');
  await once(site, 'listening');
  const anyone = ['anyone'];
  hub = await startHubProcess({
    config: {
      access: 'rules',
      allowedOrigins: [origin()],
      rules: [
        { pattern: 'room.*', subscribe: anyone, publish: anyone, history: anyone, presence: anyone },
        { pattern: 'room.*.topic', subscribe: anyone, publish: anyone, history: anyone, retain: 'latest' },
      ],
      logging: { level: 'silent' },
    },
  });
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic'],
  });
});

afterAll(async () => {
  await browser.close();
  site.close();
  await hub.end('SIGTERM');
});

beforeEach(async () => {
  errors.length = 0;
  page = await browser.newPage();
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(`${origin()}/?hub=${encodeURIComponent(hub.url)}`);
  return () => page.close();
});

function origin(): string {
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
}

/** React's build for development: it runs effects twice in strict mode. */
async function bundle(): Promise<string> {
  const build = await rolldown({
    input: join(import.meta.dirname, 'page.ts'),
    platform: 'browser',
    transform: { define: { 'process.env.NODE_ENV': '"development"' } },
  });
  const { output } = await build.generate({ format: 'esm' });
  await build.close();
  return output[0].code;
}

function state(): Promise<RoomState | undefined> {
  return page.evaluate(() => window.room.state);
}

async function publish(channel: string, data: unknown): Promise<void> {
  const response = await fetch(`${hub.url}/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ channel, data }),
  });
  expect(response.status).toBe(201);
}

/** The open WebSockets of the hub. */
async function sockets(): Promise<number> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  return Number(/^polycast_sessions\{transport="websocket"\} (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}

test.each([
  ['strict mode', true, 'room.strict'],
  ['another mode', false, 'room.plain'],
])('in %s each event is shown once, and unmounting ends the connection', async (_name, strict, channel) => {
  for (const data of [1, 2, 3]) await publish(channel, data);
  await publish(`${channel}.topic`, 'bread');
  await page.evaluate(([isStrict, name]) => window.room.mount(isStrict, name), [strict, channel] as const);
  await until('it is joined', async () => (await state())?.isJoined === true);
  await publish(channel, 4);
  await publish(`${channel}.topic`, 'cake');
  await page.evaluate(() => window.room.publish(5));
  await until(
    'the newest is shown',
    async () => (await state())?.topic === 'cake' && (await state())?.events.length === 5,
  );
  await until('it is present itself', async () => (await state())?.anonymous === 1);
  expect(await state()).toMatchObject({ events: [1, 2, 3, 4, 5], heard: [1, 2, 3, 4, 5], state: 'open' });
  expect(await sockets()).toBe(1);
  await page.evaluate(() => window.room.unmount());
  await until('the connection has ended', async () => (await sockets()) === 0);
  expect(errors).toEqual([]);
});

test('another channel begins anew, and a burst of events renders a few times', async () => {
  await publish('room.one', 'old');
  await page.evaluate(() => window.room.mount(true, 'room.one'));
  await until('it is joined', async () => (await state())?.isJoined === true);
  await page.evaluate(() => window.room.change('room.two'));
  await until('it is joined', async () => {
    const { channel, isJoined } = (await state()) as RoomState;
    return channel === 'room.two' && isJoined;
  });
  expect((await state())?.events).toEqual([]);
  const before = await page.evaluate(() => window.room.renders);
  const events = Array.from({ length: 500 }, (_, data) => ({ channel: 'room.two', data }));
  await fetch(`${hub.url}/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(events.slice(0, 30)),
  });
  await until('all are shown', async () => (await state())?.events.length === 30);
  expect((await state())?.events).toEqual(events.slice(0, 30).map(({ data }) => data));
  // Strict mode renders twice: one event at a time would be 60.
  expect((await page.evaluate(() => window.room.renders)) - before).toBeLessThan(60);
  expect(errors).toEqual([]);
});

test('a page that a server has rendered becomes live without a complaint', async () => {
  await publish('room.server', 1);
  await page.evaluate(() => window.room.hydrate('room.server'));
  await until('the event is shown', async () => (await state())?.events.length === 1);
  expect(await page.evaluate(() => window.room.complaints)).toEqual([]);
  // The history may be there before the stream is open.
  await until('it is live', async () => (await page.locator('main p').innerText()) === '[1,"open"]');
  expect(errors).toEqual([]);
});

test('a refusal is an error of the hook', async () => {
  await page.evaluate(() => window.room.mount(true, 'closed'));
  await until('it is refused', async () => (await state())?.error === 'unauthorized');
  expect((await state())?.events).toEqual([]);
});

test('a name that no channel may have is an error of the hook too, and the page stays', async () => {
  await page.evaluate(() => window.room.mount(true, 'a name'));
  await until('it is refused', async () => (await state())?.error === 'invalid_pattern');
  expect(await page.locator('main p').count()).toBe(1);
});
