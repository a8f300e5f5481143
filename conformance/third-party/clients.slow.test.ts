import { EventSource as NpmEventSource } from 'eventsource';
import { EventSource as UndiciEventSource, WebSocket as UndiciWebSocket } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WsWebSocket from 'ws';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publish } from '../kit/http.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { until } from '../kit/wait.ts';

/** Third-party clients, used as in their documentation, without code of Polycast. */
const data = temporaryFolder('third-party');
let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess({ data });
});
afterAll(() => hub.end('SIGKILL'));

interface AnyEventSource {
  onmessage: ((event: { data: string; lastEventId: string }) => void) | null;
  addEventListener(type: string, listener: (event: { data: string }) => void): void;
  close(): void;
}

const EVENT_SOURCES: readonly (readonly [string, (url: string) => AnyEventSource])[] = [
  ['npm eventsource', (url) => new NpmEventSource(url) as unknown as AnyEventSource],
  ['the EventSource of undici', (url) => new UndiciEventSource(url) as unknown as AnyEventSource],
];

describe.each(EVENT_SOURCES)('%s', (_name, open) => {
  test('receives events, and resumes at its position when the hub is back', async () => {
    const channel = 'source';
    const source = open(`${hub.url}/v1/events?channel=${channel}`);
    const got: { id: string; lastEventId: string }[] = [];
    const ready: unknown[] = [];
    source.addEventListener('polycast.ready', (event) => ready.push(JSON.parse(event.data)));
    source.onmessage = ({ data: text, lastEventId }) =>
      got.push({ id: (JSON.parse(text) as { id: string }).id, lastEventId });
    await until('it is ready', () => ready.length === 1);
    const ids: string[] = [];
    for (let n = 0; n < 20; n++) ids.push((await publish(hub.url, { channel, data: n })).id);
    await until('all has come', () => got.length === 20);
    const { port } = hub;
    await hub.end('SIGKILL');
    hub = await startHubProcess({ data, port });
    for (let n = 0; n < 20; n++) ids.push((await publish(hub.url, { channel, data: n })).id);
    await until('it has come back', () => got.length === 40);
    source.close();
    expect(got).toEqual(ids.map((id) => ({ id, lastEventId: id })));
    expect(ready.length).toBeGreaterThan(1);
  });
});

interface AnyWebSocket {
  readonly protocol: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

const WEB_SOCKETS: readonly (readonly [string, (url: string) => AnyWebSocket])[] = [
  ['npm ws', (url) => new WsWebSocket(url, 'polycast.v1') as unknown as AnyWebSocket],
  [
    'npm ws that offers compression',
    (url) => new WsWebSocket(url, 'polycast.v1', { perMessageDeflate: true }) as unknown as AnyWebSocket,
  ],
  ['the WebSocket of undici', (url) => new UndiciWebSocket(url, 'polycast.v1') as unknown as AnyWebSocket],
  ['the WebSocket of Node', (url) => new WebSocket(url, 'polycast.v1') as unknown as AnyWebSocket],
];

describe.each(WEB_SOCKETS)('%s', (name, open) => {
  test('receives events, publishes, subscribes with history, and closes', async () => {
    const channel = `socket.${name.replaceAll(/\W/g, '-')}`;
    const before = await publish(hub.url, { channel: `${channel}.past`, data: 'before' });
    const socket = open(`${hub.url.replace('http', 'ws')}/v1/events?channel=${channel}`);
    const messages: Record<string, unknown>[] = [];
    let closedWith = 0;
    socket.onmessage = ({ data: text }) => messages.push(JSON.parse(text as string) as Record<string, unknown>);
    socket.onclose = ({ code }) => (closedWith = code);
    await until('it is ready', () => messages.length === 1);
    expect(socket.protocol).toBe('polycast.v1');
    expect(messages[0]).toMatchObject({ op: 'ready' });
    socket.send(JSON.stringify({ op: 'publish', ref: 1, channel, data: { big: 'é'.repeat(40_000) } }));
    socket.send(JSON.stringify({ op: 'subscribe', ref: 2, channels: [`${channel}.*`], history: 5 }));
    await until('everything has come', () => messages.length === 5);
    expect(messages.find(({ ref }) => ref === 1)).toMatchObject({ op: 'publish', ok: true, channel });
    expect(messages.find(({ ref }) => ref === 2)).toMatchObject({
      op: 'subscribe',
      ok: true,
      channels: [channel, `${channel}.*`],
    });
    expect(messages.find((message) => message['channel'] === channel && !('op' in message))).toMatchObject({
      data: { big: 'é'.repeat(40_000) },
    });
    expect(messages.find(({ id }) => id === before.id)).toMatchObject({ data: 'before' });
    socket.close(1000);
    await until('it has closed', () => closedWith > 0);
    expect(closedWith).toBe(1000);
  });
});

test('npm ws: pings are answered, and a binary message closes with 1003', async () => {
  const socket = new WsWebSocket(`${hub.url.replace('http', 'ws')}/v1/events`);
  const pongs: string[] = [];
  let closedWith = 0;
  socket.on('pong', (payload: Buffer) => pongs.push(payload.toString()));
  socket.on('close', (code) => (closedWith = code));
  socket.on('open', () => socket.ping('are you there'));
  await until('a pong comes', () => pongs.length === 1);
  expect(pongs).toEqual(['are you there']);
  socket.send(Buffer.from('{}'));
  await until('it has closed', () => closedWith > 0);
  expect(closedWith).toBe(1003);
});

test("Node's fetch: consecutive long polls, with validators", async () => {
  const published = await publish(hub.url, { channel: 'fetched', data: 1 });
  const first = await fetch(`${hub.url}/v1/events?channel=fetched&after=earliest`);
  const answer = (await first.json()) as { cursor: string; events: { id: string }[] };
  expect(answer.events.map(({ id }) => id)).toEqual([published.id]);
  const unchanged = await fetch(`${hub.url}/v1/events?channel=fetched&after=earliest`, {
    headers: { 'If-None-Match': first.headers.get('etag') ?? '' },
  });
  expect(unchanged.status).toBe(304);
  const waiting = fetch(`${hub.url}/v1/events?channel=fetched&after=${answer.cursor}`, {
    headers: { Prefer: 'wait=30' },
  });
  await until('it waits', async () =>
    /long-poll"} 1/.test(
      /polycast_sessions{transport="long-poll"} \d+/.exec((await call(`${hub.url}/metrics`)).text)?.[0] ?? '',
    ),
  );
  await publish(hub.url, { channel: 'fetched', data: 2 });
  const held = await waiting;
  expect([
    held.headers.get('preference-applied'),
    ((await held.json()) as { events: { data: number }[] }).events.map((event) => event.data),
  ]).toEqual(['wait=30', [2]]);
});
