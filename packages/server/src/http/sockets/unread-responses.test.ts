import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../config/load.ts';
import { openHub, type Hub } from '../../hub.ts';
import { fastWorld } from '../../operate/world.ts';

const MIB = 1024 * 1024;
/** The size of a response. The kernel takes a part of it even if the client does not read. */
const ANSWER_BYTES = 8 * MIB;

async function open(settings: readonly string[], speed = 1): Promise<Hub> {
  const { config } = loadConfig({
    settings: [
      'access=loopback',
      'listen=127.0.0.1:0',
      'data=:memory:',
      'logging.level=error',
      `delivery.pollBytesMax=${2 * ANSWER_BYTES}`,
      'defaults.eventBytesMax=1048576',
      'limits.bodyBytesMax=20000000',
      ...settings,
    ],
  });
  const hub = await openHub(config, { world: fastWorld(speed) });
  onTestFinished(() => hub.close());
  const data = 'x'.repeat(ANSWER_BYTES / 16 - 1000);
  const body = JSON.stringify(Array.from({ length: 16 }, () => ({ channel: 'a', data })));
  const headers = { 'content-type': 'application/json' };
  const published = await fetch(`${hub.url}/v1/events`, { method: 'POST', headers, body });
  expect(published.ok).toBe(true);
  await published.text();
  return hub;
}

const ALL = 'GET /v1/events?channel=a&after=earliest&limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** Requests all events and reads nothing; `isCut` is set when the hub closes the connection. */
function unreading(hub: Hub, requests = ALL): { readonly socket: Socket; isCut: boolean } {
  const socket = connect(Number(new URL(hub.url).port), '127.0.0.1');
  const client = { socket, isCut: false };
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => (client.isCut = true));
  socket.on('close', () => (client.isCut = true));
  socket.write(requests);
  return client;
}

async function held(hub: Hub): Promise<{ bytes: number; bytesMax: number; refused: number }> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  const figure = (name: string): number =>
    Number(new RegExp(`^${name}\\{kind="unread_responses"\\} (\\d+)`, 'm').exec(text)?.[1]);
  return {
    bytes: figure('polycast_buffer_bytes'),
    bytesMax: figure('polycast_buffer_limit_bytes'),
    refused: figure('polycast_buffer_refusals_total'),
  };
}

test('unread answers are bounded in bytes: the client with the most loses its oldest, and other clients are answered', async () => {
  const hub = await open([`limits.answersBytesMax=${3 * ANSWER_BYTES}`]);
  for (let count = 1; count <= 8; count++) {
    unreading(hub);
    await expect
      .poll(async () => {
        const { bytes, refused } = await held(hub);
        return Math.round(bytes / ANSWER_BYTES) + refused;
      })
      .toBe(count);
    expect((await held(hub)).bytes).toBeLessThanOrEqual(3 * ANSWER_BYTES);
  }
  expect((await held(hub)).refused).toBeGreaterThanOrEqual(5);
  const answer = await fetch(`${hub.url}/v1/events?channel=a&after=earliest&limit=1000`);
  expect(((await answer.json()) as { events: unknown[] }).events).toHaveLength(16);
});

test('an answer that is read, however slowly, or whose client disconnects, is no longer counted', async () => {
  const hub = await open([]);
  const clients = [unreading(hub), unreading(hub)];
  await expect.poll(async () => (await held(hub)).bytes).toBeGreaterThan(1.9 * ANSWER_BYTES);
  clients[0]?.socket.resume();
  clients[1]?.socket.resetAndDestroy();
  await expect.poll(async () => (await held(hub)).bytes).toBe(0);
  expect((await held(hub)).refused).toBe(0);
});

test.each([
  ['another such', ALL],
  ['CONNECT', 'CONNECT a HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['an upgrade', 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
  ['no HTTP', '\0\r\n\r\n'],
])('waiting answers are released with their connection, with %s after them', async (_name, last) => {
  const hub = await open([]);
  const clients = [unreading(hub, ALL + ALL + last), unreading(hub, ALL + ALL + last)];
  await expect.poll(async () => (await held(hub)).bytes).toBeGreaterThan(3.9 * ANSWER_BYTES);
  for (const { socket } of clients) socket.resetAndDestroy();
  await expect.poll(async () => (await held(hub)).bytes).toBe(0);
  expect((await held(hub)).refused).toBe(0);
});

test('an unread answer ends its connection after the stall timeout', async () => {
  const hub = await open(['delivery.stalledTimeoutMs=60000'], 60);
  const client = unreading(hub);
  await expect.poll(async () => (await held(hub)).refused, { timeout: 20_000 }).toBe(1);
  client.socket.resume();
  await expect.poll(() => client.isCut).toBe(true);
  expect((await held(hub)).bytes).toBe(0);
});
