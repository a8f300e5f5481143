import { afterAll, beforeAll, expect, test } from 'vitest';
import { chunksOf, withoutChunks } from './kit/chunks.ts';
import { startHubProcess, type HubProcess } from './kit/hub-process.ts';
import { call, publish } from './kit/http.ts';
import { rawSocket, type RawSocket } from './kit/raw-socket.ts';
import { until } from './kit/wait.ts';

/** The framing of event streams over HTTP/1.1 (PROTOCOL.md section 6.6). */
let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess({ config: { drain: { timeMs: 100 }, delivery: { heartbeatMs: 1000 } } });
});
afterAll(() => hub.end('SIGKILL'));

async function listen(version: string, query: string): Promise<RawSocket> {
  const raw = await rawSocket(hub.url);
  raw.send(`GET /v1/events?${query} ${version}\r\nHost: ${new URL(hub.url).host}\r\nAccept: text/event-stream\r\n\r\n`);
  await raw.receives(/polycast\.ready/);
  return raw;
}

function bodyOf({ text }: RawSocket): string {
  return text.slice(text.indexOf('\r\n\r\n') + 4);
}

test('each write is a chunk, whole as it comes: no client waits for more', async () => {
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

test('so is a heartbeat', async () => {
  const stream = await listen('HTTP/1.1', 'channel=none');
  await until('one comes', () => chunksOf(bodyOf(stream)).length > 1);
  expect(chunksOf(bodyOf(stream))[1]).toMatch(/^:\n$|^event: polycast\.heartbeat\n/);
  stream.destroy();
});

test('over HTTP/1.0 there are no chunks', async () => {
  const stream = await listen('HTTP/1.0', 'channel=old');
  await publish(hub.url, { channel: 'old', data: 1 });
  await stream.receives(/"data":1}/);
  expect(stream.text).not.toMatch(/transfer-encoding/i);
  expect(bodyOf(stream)).toMatch(
    /^retry: \d+\nevent: polycast\.ready\nid: .{22}\ndata: .*\n\nid: .{22}\ndata: .*\n\n$/,
  );
  stream.destroy();
});

test('what a client has published itself is left out of a chunk, also when nothing else is in it', async () => {
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

test('a stream that the hub ends in order has a last chunk', async () => {
  const stream = await listen('HTTP/1.1', 'channel=drained');
  await hub.end('SIGTERM');
  await stream.closes();
  const chunks = chunksOf(bodyOf(stream));
  expect(chunks.at(-1)).toBe('');
  expect(chunks.at(-2)).toContain('event: polycast.draining\n');
});
