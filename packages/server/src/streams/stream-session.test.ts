import { connect } from 'node:net';
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import WebSocket from 'ws';
import { loadConfig } from '../config/load.ts';
import { openHub, type Hub } from '../hub.ts';

/** More events than a socket and its kernel buffer hold without a reader. */
const EVENTS = 100;
const EVENT_BYTES = 200_000;

async function open(): Promise<Hub> {
  const { config } = loadConfig({
    settings: ['access=loopback', 'listen=127.0.0.1:0', 'data=:memory:', 'logging.level=error'],
  });
  const hub = await openHub(config);
  onTestFinished(() => hub.close());
  return hub;
}

async function fill(hub: Hub, channel: string): Promise<void> {
  const request = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x'.repeat(EVENT_BYTES) };
  for (let count = 0; count < EVENTS; count++)
    await (await fetch(`${hub.url}/v1/channels/${channel}/events`, request)).text();
}

async function metric(hub: Hub, name: string, transport: string): Promise<number> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(name) && each.includes(`"${transport}"`));
  return Number(line?.split(' ')[1]);
}

test('nothing is framed for a client that disconnected while it was behind', async () => {
  const hub = await open();
  const socket = connect(hub.port, '127.0.0.1');
  socket.write('GET /v1/events?channel=a HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
  await once(socket, 'data');
  socket.pause();
  await fill(hub, 'a');
  const delivered = await metric(hub, 'polycast_delivered_events_total', 'sse');
  expect(delivered).toBeLessThan(EVENTS);
  socket.destroy();
  await vi.waitFor(async () => expect(await metric(hub, 'polycast_sessions', 'sse')).toBe(0), { timeout: 10_000 });
  expect(await metric(hub, 'polycast_delivered_events_total', 'sse')).toBe(delivered);
});

test('a cursor sent while new channels catch up is not ahead of them', async () => {
  const hub = await open();
  await fill(hub, 'late');
  const client = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events?channel=live`);
  onTestFinished(() => client.terminate());
  const ids: string[] = [];
  let pingCursor: string | undefined;
  const idsAfter: string[] = [];
  client.on('message', (data: Buffer) => {
    const { op, id, cursor } = JSON.parse(data.toString()) as { op?: string; id?: string; cursor?: string };
    if (op === 'ready') client.send(JSON.stringify({ op: 'subscribe', channels: ['late'], after: 'earliest' }));
    if (op === 'ping') pingCursor = cursor;
    if (id === undefined) return;
    if (ids.push(id) === 1) client.send(JSON.stringify({ op: 'ping' }));
    if (pingCursor !== undefined) idsAfter.push(id);
  });
  await vi.waitFor(() => expect(ids).toHaveLength(EVENTS), { timeout: 10_000 });
  expect(idsAfter.length).toBeGreaterThan(0);
  expect(pingCursor).toBeDefined();
  expect(idsAfter.every((id) => id > (pingCursor as string))).toBe(true);
});

test("subscribing to a channel that the session reads already returns the session's position", async () => {
  const hub = await open();
  const body = JSON.stringify({ channel: 'a', data: 1 });
  const headers = { 'content-type': 'application/json' };
  const { id } = (await (await fetch(`${hub.url}/v1/events`, { method: 'POST', headers, body })).json()) as {
    id: string;
  };
  const client = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events?channel=a`);
  onTestFinished(() => client.terminate());
  const answers: Record<string, unknown>[] = [];
  client.on('message', (data: Buffer) => answers.push(JSON.parse(data.toString()) as Record<string, unknown>));
  await once(client, 'open');
  client.send(JSON.stringify({ op: 'subscribe', channels: ['a'], after: 'earliest' }));
  await vi.waitFor(() => expect(answers).toHaveLength(2));
  expect(answers).toMatchObject([
    { op: 'ready', cursor: id },
    { op: 'subscribe', ok: true, channels: ['a'], cursor: id },
  ]);
});
