import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Canary } from '../kit/clients/canary.ts';
import { Heap, WITH_INSPECTOR } from '../kit/heap.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call } from '../kit/http.ts';
import { rawSocket, type RawSocket } from '../kit/wire/raw-socket.ts';
import { until } from '../kit/wait.ts';

const SLOW_CLIENTS = 200;
/**
 * Longer than it takes to open hundreds of connections and send their first bytes, and than a busy
 * machine pauses.
 */
const LIMIT_MS = 5000;
const GROWTH_BYTES_MAX = 64 * 1024 * 1024;
const HOST = 'Host: localhost\r\n';

let hub: HubProcess;
let canary: Canary;
beforeAll(async () => {
  const limits = { headersTimeoutMs: LIMIT_MS, bodyTimeoutMs: LIMIT_MS, keepAliveTimeoutMs: LIMIT_MS };
  hub = await startHubProcess({ config: { limits, delivery: { heartbeatMs: 1000 } }, environment: WITH_INSPECTOR });
  canary = new Canary(hub.url);
});
afterAll(() => hub.end('SIGKILL'));

describe('slow clients', () => {
  test('incomplete headers receive 408, also when they arrive one byte at a time', async () => {
    await withDrips(['GET /healthz HTTP/1.1\r\nX: '], 'a', async (raw) => {
      await raw.closes();
      expect({ status: raw.status, code: raw.code }).toEqual({ status: 408, code: 'request_timeout' });
    });
  });

  test('an incomplete body receives 408, also when it arrives one byte at a time, and memory does not grow', async () => {
    const before = await Heap.residentBytes(hub);
    const bodies = ['application/json', 'application/cloudevents+json'].map((type) => post('/v1/events', type));
    await withDrips([...bodies, post('/v1/channels/slow/events', 'text/plain')], ' ', async (raw) => {
      await raw.closes();
      expect({ status: raw.status, code: raw.code }).toEqual({ status: 408, code: 'request_timeout' });
    });
    await until('no growth stays', async () => (await Heap.residentBytes(hub)) - before < GROWTH_BYTES_MAX);
  });

  // They only wait for the hub's timeouts, so they wait together.
  describe.concurrent('alone on their connection', () => {
    test('an upload of lines that stops in the middle receives the results so far, and the reason', async () => {
      const raw = await rawSocket(hub.url);
      raw.send(
        `POST /v1/events HTTP/1.1\r\n${HOST}Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      const line = '{"channel":"slow","data":1}\n';
      raw.send(`${(line.length + 3).toString(16)}\r\n${line}{"c\r\n`);
      await raw.receives(/"channel":"slow"/);
      await raw.closes();
      expect(raw.text).toMatch(/"id":"[0-9a-z-]{22}"[^]*\{"error":\{[^\n]*"code":"request_timeout"/);
    });

    test('an upload of lines may be slow for as long as lines arrive', async () => {
      const raw = await rawSocket(hub.url);
      raw.send(
        `POST /v1/events HTTP/1.1\r\n${HOST}Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      const line = '{"channel":"slow","data":1}\n';
      const beginMs = performance.now();
      for (let sent = 1; performance.now() < beginMs + 2 * LIMIT_MS; sent++) {
        raw.send(`${line.length.toString(16)}\r\n${line}\r\n`);
        await until('the result comes', () => raw.text.split('"id"').length - 1 >= sent);
      }
      raw.send('0\r\n\r\n');
      await raw.receives(/\r\n0\r\n\r\n$/);
      raw.destroy();
    });

    test('an idle connection is closed after its timeout', async () => {
      const raw = await rawSocket(hub.url);
      raw.send(`GET /healthz HTTP/1.1\r\n${HOST}\r\n`);
      await raw.receives(/ok/);
      await raw.closes();
    });

    test('a stream stays open on a connection that has sent much data before', async () => {
      const raw = await rawSocket(hub.url);
      const body = JSON.stringify({ channel: 'slow', data: 'x'.repeat(100_000) });
      raw.send(
        `POST /v1/events HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      await raw.receives(/201 Created/);
      raw.send(`GET /v1/events?channel=none HTTP/1.1\r\n${HOST}Accept: text/event-stream\r\n\r\n`);
      await raw.receives(/(?:\n:|polycast\.heartbeat)[^]*(?:\n:|polycast\.heartbeat)/);
      expect(raw.closed).toBe(false);
      raw.destroy();
    });
  });

  test('a client that sends half a body and then nothing receives 408', async () => {
    for (const [target, type] of [
      ['/v1/events', 'application/json'],
      ['/v1/events', 'application/x-ndjson'],
      ['/v1/channels/slow/events', 'image/png'],
    ] as const) {
      const raw = await rawSocket(hub.url);
      raw.send(`${post(target, type)}{"channel":"slow","da`);
      raw.socket.resetAndDestroy();
    }
    expect((await call(`${hub.url}/healthz`)).status).toBe(200);
  });

  test('a client that continues to send on its stream is disconnected', async () => {
    const raw = await rawSocket(hub.url);
    raw.send(`GET /v1/events?channel=none HTTP/1.1\r\n${HOST}Accept: text/event-stream\r\n\r\n`);
    await raw.receives(/polycast.ready/);
    raw.send('x'.repeat(100_000));
    await raw.closes();
  });

  test('other clients are served normally during these attacks', async () => {
    const { errors } = await canary.stop();
    expect(errors).toEqual([]);
    expect(hub.log()).not.toContain('"level":"error"');
  });
});

/** Many connections that begin in one of these ways, and then send a byte from time to time. */
async function withDrips(
  begins: readonly string[],
  drip: string,
  then: (raw: RawSocket) => Promise<void>,
): Promise<void> {
  const raws = await Promise.all(Array.from({ length: SLOW_CLIENTS }, () => rawSocket(hub.url)));
  for (const [index, raw] of raws.entries()) raw.send(begins[index % begins.length] as string);
  const dripping = setInterval(() => {
    for (const raw of raws) if (!raw.closed) raw.send(drip);
  }, 100);
  await Promise.all(raws.map(then)).finally(() => clearInterval(dripping));
  for (const raw of raws) raw.destroy();
}

function post(target: string, mediaType: string): string {
  return `POST ${target} HTTP/1.1\r\n${HOST}Content-Type: ${mediaType}\r\nContent-Length: 1000000\r\n\r\n`;
}
