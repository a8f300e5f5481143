import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Canary } from '../kit/clients/canary.ts';
import { selfSigned } from '../kit/certificates.ts';
import { call, publish } from '../kit/http.ts';
import {
  FLAG,
  fieldBlock,
  frame,
  get,
  type RawHttp2,
  rawHttp2,
  reset,
  settings,
  TYPE,
  windowUpdate,
} from '../kit/wire/http2-frames.ts';
import { Heap, WITH_INSPECTOR } from '../kit/heap.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { rawSocket } from '../kit/wire/raw-socket.ts';
import { http2Noise } from '../kit/wire/http2-noise.ts';
import { Seeded } from '../kit/seeded.ts';
import { pause, until } from '../kit/wait.ts';

/**
 * Attacks on HTTP/2 (PROTOCOL.md section 13.8). Each is stopped, costs no memory, and affects no
 * other client.
 */
const GROWTH_BYTES_MAX = 128 * 1024 * 1024;
const CALM = 11;
const REFUSED = 7;
const STREAMS_MAX = 100;
/**
 * Longer than a busy machine pauses: before the first request of a connection, and between two of
 * the canary's.
 */
const IDLE_MS = 5000;
/** The same for a handshake. */
const HEADERS_MS = 5000;
/** A thousand streams are opened, and counted, before the first of them counts as stalled. */
const STALLED_MS = 8000;
const NOISE_ROUNDS = 50;

let hub: HubProcess;
let canary: Canary;
let before = 0;
beforeAll(async () => {
  hub = await startHubProcess({
    config: {
      tls: selfSigned(),
      // The memory of these events must not count as the memory of the attacks.
      rules: [{ pattern: 'heavy', retain: 'none' }],
      delivery: { heartbeatMs: 1000, stalledTimeoutMs: STALLED_MS },
      limits: { keepAliveTimeoutMs: IDLE_MS, headersTimeoutMs: HEADERS_MS },
    },
    environment: WITH_INSPECTOR,
  });
  canary = new Canary(hub.url);
  // The hub's memory for events is allocated before the measurement.
  const data = 'x'.repeat(100_000);
  for (let n = 0; n < 400; n++) await publish(hub.url, { channel: 'heavy', data });
  before = await Heap.residentBytes(hub);
});
afterAll(() => hub.end('SIGKILL'));

describe('attacks on HTTP/2', () => {
  test('rapid reset: a connection that only opens and cancels streams is closed', async () => {
    const raw = await rawHttp2(hub.url);
    const sent = await raw.flood(streams(1_000_000, (id) => [get(id, '/v1/events?channel=a'), reset(id)]));
    await raw.closes();
    expect(sent).toBeLessThan(1_000_000);
    await until('its streams are gone', async () => (await seen('streams')) < 10);
  });

  test('rapid reset with event streams, whose answers begin immediately', async () => {
    const raw = await rawHttp2(hub.url);
    await raw.flood(
      streams(1_000_000, (id) => [get(id, '/v1/events?channel=a', { accept: 'text/event-stream' }), reset(id)]),
    );
    await raw.closes();
    await until('all sessions are gone', async () => (await seen('streams')) === 0);
  });

  test('made to reset: a connection that makes the hub reset streams is closed as well', async () => {
    const raw = await rawHttp2(hub.url);
    // A length without a body.
    const wrong = { 'content-length': '5' };
    const sent = await raw.flood(streams(1_000_000, (id) => [get(id, '/v1/events?channel=a&wait=20', wrong)]));
    await raw.closes();
    expect(sent).toBeLessThan(1_000_000);
    // It is even an error of the connection.
    for (const bytes of [0, 2 ** 31 - 1]) {
      const each = await rawHttp2(hub.url);
      each.send(get(1, '/v1/events?channel=a&wait=20'), windowUpdate(1, bytes));
      await each.closes();
    }
  });

  test('an endless sequence of CONTINUATION frames is not buffered', async () => {
    const raw = await rawHttp2(hub.url);
    raw.send(
      frame(TYPE.headers, FLAG.endStream, 1, fieldBlock({ ':method': 'GET', ':scheme': 'https', ':path': '/' })),
    );
    const more = frame(TYPE.continuation, 0, 1, fieldBlock([['x', 'y'.repeat(16_000)]]));
    const sent = await raw.flood(repeated(100_000, more));
    await raw.closes();
    expect(sent).toBeLessThan(10_000);
  });

  test('headers that are too long, or too many, end their stream and affect no other', async () => {
    const long = (bytes: number): Record<string, string> => ({ x: 'y'.repeat(bytes) });
    const many = Array.from({ length: 200 }, (_, index) => [`x-${index}`, 'y'] as const);
    const raw = await rawHttp2(hub.url);
    raw.send(get(1, '/healthz', long(20_000)), get(3, '/healthz', many), get(5, '/healthz'));
    await until('the last is answered', () => raw.dataBytes.has(5));
    expect(raw.resets()).toEqual([CALM, CALM]);
    raw.destroy();
    // Until a client has acknowledged the limit, the hub answers with a refusal.
    const early = await rawHttp2(hub.url, { acknowledgesSettings: false });
    early.send(get(1, '/healthz', long(20_000)), get(3, `/healthz?${'x'.repeat(20_000)}`), get(5, '/healthz'));
    await until('the last is answered', () => early.dataBytes.has(5));
    expect([...early.text.matchAll(/"code":"(\w+)"/g)].map(([, code]) => code)).toEqual([
      'headers_too_large',
      'uri_too_long',
    ]);
    early.destroy();
    const immense = await rawHttp2(hub.url);
    immense.send(get(1, '/healthz', long(100_000)));
    await immense.closes();
  });

  test('a flood of SETTINGS frames closes its connection', async () => {
    const raw = await rawHttp2(hub.url);
    const sent = await raw.flood(repeated(1_000_000, settings()));
    await raw.closes();
    expect(sent).toBeLessThan(1_000_000);
  });

  test('a flood of PING frames closes its connection, whether the client reads the answers or not', async () => {
    for (const reads of [true, false]) {
      const raw = await rawHttp2(hub.url);
      if (!reads) raw.socket.pause();
      await raw.flood(repeated(1_000_000, frame(TYPE.ping, 0, 0, Buffer.alloc(8))));
      raw.socket.resume();
      await raw.closes();
    }
  });

  test('a million frames without an effect are ignored', async () => {
    for (const nothing of [
      frame(TYPE.priority, 0, 1, Buffer.from([0, 0, 0, 0, 1])),
      frame(0xbb, 0, 0),
      windowUpdate(0, 1),
    ]) {
      const raw = await rawHttp2(hub.url);
      raw.send(get(1, '/v1/events?channel=a', { accept: 'text/event-stream' }));
      await raw.flood(repeated(1000, Buffer.concat(Array.from({ length: 1000 }, () => nothing))));
      raw.destroy();
    }
  });

  test('an endless sequence of empty DATA frames closes its connection', async () => {
    const raw = await rawHttp2(hub.url);
    const fields = { ':method': 'POST', ':scheme': 'https', ':authority': 'localhost', ':path': '/v1/events' };
    raw.send(frame(TYPE.headers, FLAG.endHeaders, 1, fieldBlock({ ...fields, 'content-type': 'application/json' })));
    await raw.flood(repeated(1000, Buffer.concat(Array.from({ length: 1000 }, () => frame(TYPE.data, 0, 1)))));
    await raw.closes();
  });

  test('streams beyond the limit are refused; a client that knows the limit or continues loses its connection', async () => {
    const open = (id: number): Buffer => get(id, '/v1/events?channel=a', { accept: 'text/event-stream' });
    const isFull = ({ text }: RawHttp2): boolean => text.split('polycast.ready').length - 1 === STREAMS_MAX;
    const early = await rawHttp2(hub.url, { acknowledgesSettings: false });
    await early.flood(streams(STREAMS_MAX + 10, (id) => [open(id)]));
    await until(
      'all that may be are open, and the others refused',
      () => isFull(early) && early.resets().length === 10,
    );
    expect(new Set(early.resets())).toEqual(new Set([REFUSED]));
    await early.flood(streams(10_000, (id) => [open(id + 2 * STREAMS_MAX + 20)]));
    await early.closes();
    const raw = await rawHttp2(hub.url);
    await raw.flood(streams(STREAMS_MAX, (id) => [open(id)]));
    await until('all that may be are open', () => isFull(raw));
    raw.send(open(2 * STREAMS_MAX + 1));
    await raw.closes();
  });

  test('a connection that does not speak HTTP/2 is refused', async () => {
    for (const wrong of [
      'GET / HTTP/1.1\r\n\r\n',
      '\0'.repeat(10_000),
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + 'x'.repeat(100),
    ]) {
      const raw = await rawHttp2(hub.url);
      raw.send(Buffer.from(wrong));
      await raw.closes();
    }
  });

  test('random frames, valid and corrupted, on connections that end in the middle of a frame', async () => {
    const seeded = new Seeded();
    for (let round = 0; round < NOISE_ROUNDS; round++)
      await Promise.all(Array.from({ length: 20 }, () => sendNoise(seeded)));
    expect((await call(`${hub.url}/healthz`)).status, `seed ${seeded.seed}`).toBe(200);
  });

  // Nearly all of their time they wait for the hub's timeouts, so they wait together.
  describe.concurrent('that wait', () => {
    test('an incomplete header block times out like an idle connection', async () => {
      const raw = await rawHttp2(hub.url);
      raw.send(frame(TYPE.headers, FLAG.endStream, 1, fieldBlock({ ':method': 'GET' })));
      await raw.closes();
    });

    test('1,000 streams with closed windows hold at most one batch each, and are closed after the timeout', async () => {
      const stream = { accept: 'text/event-stream' };
      const raws = await Promise.all(Array.from({ length: 10 }, () => rawHttp2(hub.url, { windowBytes: 0 })));
      for (const raw of raws)
        for (let n = 0; n < STREAMS_MAX; n++) raw.send(get(2 * n + 1, '/v1/events?channel=heavy', stream));
      await until('all are open', async () => (await seen('streams')) >= 1000);
      const event = { channel: 'heavy', data: 'x'.repeat(50_000) };
      for (let n = 0; n < 200; n++) await publish(hub.url, event);
      await until('no growth stays', async () => (await Heap.residentBytes(hub)) - before < GROWTH_BYTES_MAX);
      await until('all are cut off', async () => (await seen('streams')) === 0);
      expect(raws.every(({ dataBytes }) => dataBytes.size === 0)).toBe(true);
      await Promise.all(raws.map((raw) => raw.closes()));
    });

    test('a connection whose client reads nothing at all is closed as well', async () => {
      const raw = await rawHttp2(hub.url, { windowBytes: 2 ** 31 - 1, replenishesWindow: false });
      raw.send(windowUpdate(0, 2 ** 31 - 65_536));
      raw.send(get(1, '/v1/events?channel=heavy', { accept: 'text/event-stream' }));
      await until('it is ready', () => raw.text.includes('polycast.ready'));
      raw.socket.pause();
      for (let n = 0; n < 400; n++) await publish(hub.url, { channel: 'heavy', data: 'x'.repeat(50_000) });
      await until('it is cut off', async () => (await seen('connections')) === 0);
      raw.destroy();
    });

    test('a connection that sends no request is closed', async () => {
      const bare = await rawSocket(hub.url);
      const begun = await rawSocket(hub.url);
      begun.send(Buffer.from([22, 3, 1, 2, 0, 1]));
      await Promise.all([bare.closes(), begun.closes()]);
    });
  });

  test('other clients are served normally during these attacks, and all resources are released', async () => {
    await until('all connections are gone', async () => (await seen('connections')) === 0);
    expect(await seen('streams')).toBe(0);
    const { errors, slowestMs } = await canary.stop();
    expect(errors).toEqual([]);
    // The time that it may take on a busy machine. On a blocked hub it takes longer.
    expect(slowestMs).toBeLessThan(8000);
    await until('no growth stays', async () => (await Heap.residentBytes(hub)) - before < GROWTH_BYTES_MAX);
    expect(hub.log()).not.toContain('"level":"error"');
  });
});

/**
 * Events to deliver, streams of all kinds, and valid frames in random order, with some bytes
 * changed.
 */
async function sendNoise(seeded: Seeded): Promise<void> {
  const raw = await rawHttp2(hub.url, {
    replenishesWindow: seeded.below(2) === 0,
    windowBytes: seeded.pick([0, 100, 65_535]),
  });
  const count = 5 + seeded.below(60);
  for (let n = 0; n < count && !raw.closed; n++) {
    const bytes = http2Noise(seeded);
    if (seeded.below(40) === 0) bytes[seeded.below(bytes.length)] = seeded.below(256);
    raw.send(bytes);
    if (seeded.below(20) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  if (seeded.below(2) === 0) await pause(seeded.below(30));
  raw.destroy();
}

/** Streams of a client, by their numbers, joined into one buffer. */
function* streams(count: number, make: (id: number) => readonly Buffer[]): Generator<Buffer> {
  for (let id = 1; id < 2 * count; id += 2) yield Buffer.concat(make(id));
}

function* repeated(count: number, piece: Buffer): Generator<Buffer> {
  for (let n = 0; n < count; n++) yield piece;
}

async function seen(figure: 'connections' | 'streams'): Promise<number> {
  const { text } = await call(`${hub.url}/metrics`);
  return Number(new RegExp(`^polycast_http2_${figure} (\\d+)`, 'm').exec(text)?.[1]);
}
