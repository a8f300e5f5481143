import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { openTestHub } from '../../testing/open-hub.ts';

const HOST = 'Host: localhost\r\n';
const HELD = `GET /v1/events?channel=a&wait=60 HTTP/1.1\r\n${HOST}\r\n`;
const STREAM = `GET /v1/events?channel=a HTTP/1.1\r\n${HOST}Accept: text/event-stream\r\n\r\n`;
const CONNECT = `CONNECT a HTTP/1.1\r\n${HOST}\r\n`;
const NO_HTTP = '\0\r\n\r\n';
const upgrade = (more = '\r\n'): string =>
  `GET /v1/events HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
  `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}`;

test.each([
  ['an event stream', STREAM, 400, 'pipelined_request'],
  ['an upgrade', upgrade(), 400, 'pipelined_request'],
  ['CONNECT', CONNECT, 405, 'method_not_allowed'],
  ['bytes that are no HTTP', NO_HTTP, 400, 'invalid_request'],
  ['half an upgrade', upgrade('Content-Length: 5\r\n\r\nhe'), 400, 'pipelined_request'],
])("%s after a waiting poll is refused after that poll's answer", async (_name, bytes, status, code) => {
  const { port, url } = await openTestHub();
  const client = new Client(port, HELD + HELD + bytes);
  await expect.poll(() => sessions(url)).toBe(2);
  expect(client.text).toBe('');
  await publish(url);
  await expect.poll(() => client.statuses).toEqual([200, 200, status]);
  expect(client.text).toContain(`"code":"${code}"`);
});

test('requests after a refusal that closes the connection do nothing', async () => {
  const { port, url } = await openTestHub();
  const publishing = `POST /v1/channels/a/events HTTP/1.1\r\n${HOST}Content-Type: text/plain\r\n`;
  const refused = `${publishing}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`;
  const second = `${publishing}Content-Length: 6\r\n\r\nsecond`;
  const client = new Client(port, refused + second + STREAM + second);
  await expect.poll(() => client.socket.closed).toBe(true);
  expect(client.statuses).toEqual([501]);
  await publish(url);
  const { events } = (await (await fetch(`${url}/v1/channels/a/history`)).json()) as { events: { data: string }[] };
  expect(events.map(({ data }) => data)).toEqual(['news']);
});

test.each([
  ['nothing', ''],
  ['bytes that are no HTTP', NO_HTTP],
  ['CONNECT', CONNECT],
  ['an upgrade', upgrade()],
  ['half an upgrade', upgrade('Content-Length: 5\r\n\r\nhe')],
])('several waiting polls end with their connection, with %s after them', async (_name, bytes) => {
  const { port, url } = await openTestHub();
  const client = new Client(port, HELD + HELD + HELD + bytes);
  await expect.poll(() => sessions(url)).toBe(3);
  client.socket.resetAndDestroy();
  // Long before their minute is over.
  await expect.poll(() => sessions(url), { timeout: 30_000 }).toBe(0);
});

test.each([
  ['bytes that are no HTTP', NO_HTTP],
  ['requests', HELD + HELD],
  ['CONNECT', CONNECT],
  ['an upgrade', upgrade()],
  ['half an upgrade', upgrade('Content-Length: 5\r\n\r\nhe')],
])('%s after an event stream are ignored', async (_name, bytes) => {
  const { port, url } = await openTestHub();
  const client = new Client(port, STREAM + bytes);
  await expect.poll(() => client.text).toContain('polycast.ready');
  client.socket.write(bytes);
  await publish(url);
  await expect.poll(() => client.text).toContain('"data":"news"');
  expect(client.statuses).toEqual([200]);
});

test.each([
  ['whole', 'Content-Length: 5\r\n\r\nhello'],
  ['half of it', 'Content-Length: 5\r\n\r\nhe'],
  ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
])('an upgrade with a body, %s, is refused', async (_name, body) => {
  const { port } = await openTestHub();
  const client = new Client(port, upgrade(body));
  await expect.poll(() => client.closed).toBe(true);
  expect(client.statuses).toEqual([400]);
  expect(client.text).toContain('An upgrade must not have a body.');
});

test('a body that is not valid HTTP is refused, and nothing is written into an answer that has begun', async () => {
  const { port } = await openTestHub();
  const chunked = (type: string): string =>
    `POST /v1/events HTTP/1.1\r\n${HOST}Content-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const refused = new Client(port, chunked('application/json') + '5\r\nhello\r\nZ');
  await expect.poll(() => refused.closed).toBe(true);
  expect(refused.statuses).toEqual([400]);
  const line = '{"channel":"a","data":1}\n';
  const begun = new Client(port, `${chunked('application/x-ndjson')}${line.length.toString(16)}\r\n${line}\r\n`);
  await expect.poll(() => begun.text).toContain('"id"');
  begun.socket.write('Z');
  await expect.poll(() => begun.closed).toBe(true);
  expect(begun.statuses).toEqual([200]);
});

/** A raw client that sends text and collects the received bytes. */
class Client {
  readonly socket: Socket;
  text = '';
  closed = false;

  constructor(port: number, bytes: string) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (chunk: Buffer) => (this.text += chunk.toString('latin1')));
    this.socket.on('error', () => undefined).on('close', () => (this.closed = true));
    this.socket.write(bytes);
    onTestFinished(() => void this.socket.destroy());
  }

  get statuses(): number[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
  }
}

async function sessions(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^polycast_sessions\{transport="long-poll"\} (\d+)/m.exec(text)?.[1]);
}

async function publish(url: string): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  await fetch(`${url}/v1/channels/a/events`, { method: 'POST', headers, body: '"news"' });
}
