import { afterAll, beforeAll, expect, test } from 'vitest';
import { chunksOf, withoutChunks } from '../kit/wire/chunks.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publish } from '../kit/http.ts';
import { rawSocket, type RawSocket } from '../kit/wire/raw-socket.ts';
import { until } from '../kit/wait.ts';

/** The framing of event streams over HTTP/1.1 (PROTOCOL.md section 6.6). */
let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess({ config: { drain: { timeMs: 100 }, delivery: { heartbeatMs: 1000 } } });
});
afterAll(() => hub.end('SIGKILL'));

async function listen(version: string, query: string, header = ''): Promise<RawSocket> {
  const raw = await rawSocket(hub.url);
  const head = `Host: ${new URL(hub.url).host}\r\nAccept: text/event-stream\r\n${header}\r\n`;
  raw.send(`GET /v1/events?${query} ${version}\r\n${head}`);
  await raw.receives(/polycast\.ready/);
  return raw;
}

function bodyOf({ text }: RawSocket): string {
  return text.slice(text.indexOf('\r\n\r\n') + 4);
}

test('each write is one complete chunk: no client waits for more', async () => {
  const stream = await listen('HTTP/1.1', 'channel=each');
  expect(stream.text).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*Transfer-Encoding: chunked\r\n/);
  for (const [index, data] of ['ž', 'x'.repeat(100_000), ''].entries()) {
    const { id } = await publish(hub.url, { channel: 'each', data });
    const chunks = (): readonly string[] => chunksOf(bodyOf(stream)).filter((chunk) => !chunk.startsWith(':'));
    await until('its chunk comes', () => chunks().length === 2 + index);
    const event = Buffer.from(chunks().at(-1) as string, 'latin1').toString();
    expect(event.slice(0, 33)).toBe(`id: ${id}\ndata: `);
    expect(event.slice(-2)).toBe('\n\n');
    expect(JSON.parse(event.slice(33))).toMatchObject({ data });
  }
  stream.destroy();
});

test('each heartbeat is one complete chunk', async () => {
  const stream = await listen('HTTP/1.1', 'channel=none');
  await until('one comes', () => chunksOf(bodyOf(stream)).length > 1);
  expect(chunksOf(bodyOf(stream))[1]).toMatch(/^:\n$|^event: polycast\.heartbeat\n/);
  stream.destroy();
});

test.each([
  ['over HTTP/1.0', 'HTTP/1.0', ''],
  ['over HTTP/1.0 with keep-alive', 'HTTP/1.0', 'Connection: keep-alive\r\n'],
  ['with Connection: close', 'HTTP/1.1', 'Connection: close\r\n'],
  ['with close among several Connection options', 'HTTP/1.1', 'connection: TE , Close\r\nTE: trailers\r\n'],
])('%s there are no chunks', async (_name, version, header) => {
  const channel = `plain-${Math.random().toString(36).slice(2)}`;
  const stream = await listen(version, `channel=${channel}`, header);
  await publish(hub.url, { channel, data: 1 });
  await stream.receives(/"data":1}/);
  expect(stream.text).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*Connection: close\r\n/);
  expect(stream.text).not.toMatch(/transfer-encoding|content-length/i);
  // A heartbeat may come first on a busy machine.
  expect(bodyOf(stream).replaceAll(/^:\n/gm, '')).toMatch(
    /^retry: \d+\nevent: polycast\.ready\nid: .{22}\ndata: .*\n\nid: .{22}\ndata: .*\n\n$/,
  );
  stream.destroy();
});

test("a client's own events are left out of a chunk, also when the chunk has no others", async () => {
  const publishMine = async (list: readonly unknown[]): Promise<void> => {
    const body = JSON.stringify(list.map((data) => ({ channel: 'own', data })));
    const headers = { 'Content-Type': 'application/json' };
    expect((await call(`${hub.url}/v1/events?client=me`, { method: 'POST', headers, body })).status).toBe(200);
  };
  await publish(hub.url, { channel: 'own', data: 'first' });
  await publishMine([1, 2, 3]);
  await publish(hub.url, { channel: 'own', data: 'second' });
  const stream = await listen('HTTP/1.1', 'channel=own&after=earliest&client=me&exclude=self');
  await stream.receives(/"second"/);
  await publishMine([4, 5]);
  await publish(hub.url, { channel: 'own', data: 'third' });
  await stream.receives(/"third"/);
  const events = withoutChunks(stream.text).match(/^data: .*"data":.*$/gm) ?? [];
  expect(events.map((line) => (JSON.parse(line.slice(6)) as { data: unknown }).data)).toEqual([
    'first',
    'second',
    'third',
  ]);
  stream.destroy();
});

test('a connection with keep-alive has chunks', async () => {
  const stream = await listen('HTTP/1.1', 'channel=kept', 'Connection: keep-alive\r\n');
  expect(stream.text).toMatch(/\r\nTransfer-Encoding: chunked\r\n/);
  stream.destroy();
});

test('a stream that the hub ends in order has a last chunk; without chunks its connection is closed', async () => {
  const stream = await listen('HTTP/1.1', 'channel=drained');
  const plain = await listen('HTTP/1.1', 'channel=drained', 'Connection: close\r\n');
  await hub.end('SIGTERM');
  await plain.closes();
  expect(bodyOf(plain)).toMatch(/event: polycast\.draining\nretry: \d+\ndata: .*\n\n$/);
  await stream.closes();
  const chunks = chunksOf(bodyOf(stream));
  expect(chunks.at(-1)).toBe('');
  expect(chunks.at(-2)).toContain('event: polycast.draining\n');
});
