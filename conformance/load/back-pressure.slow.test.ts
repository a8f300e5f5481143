import { parseCursor } from '@polycast/protocol';
import { afterEach, describe, expect, test } from 'vitest';
import { Follower, TRANSPORTS } from '../kit/clients/followers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { Heap, WITH_INSPECTOR } from '../kit/heap.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publishAll, type Published } from '../kit/http.ts';
import { closeCodeIn, rawSocket, rawWebSocket, type RawSocket } from '../kit/wire/raw-socket.ts';
import { until } from '../kit/wait.ts';

/** PROTOCOL.md sections 2.3 and 7.4: a slow reader costs no memory and loses no event silently. */
const HEAVY = process.env['POLYCAST_HEAVY'] !== undefined;
const STALLED = HEAVY ? 1000 : 200;
const EVENT_BYTES = 8000;
const EVENTS = HEAVY ? 25_000 : 6000;
/** Live objects and buffers: the tail and the batches that readers share. */
const GROWTH_BYTES_MAX = (HEAVY ? 32 : 16) * 1024 * 1024;
const TAIL_BYTES = 8 * 1024 * 1024;
const STALLED_TIMEOUT_MS = 4000;
/** A reader that sips is never silent for so long, also when a busy machine pauses… */
const SIPPER_TIMEOUT_MS = 6000;
/** …and takes longer than that in all: some 190 sips of 64 KiB. */
const SIP_INTERVAL_MS = 40;
/** The hub drops its last bytes to a stalled client after a second, which may be a tick shorter. */
const LAST_BYTES_MS = 750;
/** A machine that is too slow to read the last bytes is asked again so often. */
const ROUNDS_MAX = 5;

let hub: HubProcess;
afterEach(() => hub.end('SIGKILL'));

describe('readers that do not read', () => {
  test('use bounded memory, stay connected, delay no other client, and receive everything when they continue to read', async () => {
    hub = await startHubProcess({
      data: temporaryFolder('stalled'),
      config: { delivery: { tailBytesMax: TAIL_BYTES } },
      environment: WITH_INSPECTOR,
    });
    const stalled = await Promise.all(
      Array.from({ length: STALLED }, (_, index) => (index % 2 === 0 ? openSse() : openWebSocket())),
    );
    for (const { socket } of stalled) socket.pause();
    await publishMany(500);
    const heap = await Heap.of(hub);
    const before = await heap.liveBytes();
    const good = TRANSPORTS.map(
      (transport) => new Follower(hub.url, transport, { channels: ['a'], after: 'earliest' }),
    );
    const last = await publishMany(EVENTS);
    await until('the good ones have all', () => good.every(({ received }) => received.at(-1)?.id === last.id));
    // Nothing is stored for clients that do not read. Resident memory would also show which pages
    // the allocator has not returned yet.
    await until('no growth stays', async () => (await heap.liveBytes()) - before < GROWTH_BYTES_MAX);
    heap.close();
    expect(stalled.filter(({ closed }) => closed)).toEqual([]);
    for (const [index, raw] of stalled.entries()) {
      if (index < 4) await readOn(raw, last, 500 + EVENTS);
      raw.destroy();
    }
    await Promise.all(good.map((follower) => follower.stop()));
  });

  test('receive a gap when retention has overtaken them', async () => {
    const config = {
      defaults: { historyCountMax: 100 },
      storage: { retentionIntervalMs: 20 },
      delivery: { tailBytesMax: 64 * 1024 },
    };
    hub = await startHubProcess({ data: temporaryFolder('overtaken'), config });
    const stalled = await Promise.all([openSse(), openWebSocket()]);
    for (const { socket } of stalled) socket.pause();
    const last = await publishMany(EVENTS);
    await until('retention has done its work', async () => {
      const { events } = (await call(`${hub.url}/v1/channels/a/history?after=earliest&limit=1`)).json<{
        events: { data: { n: number } }[];
      }>();
      return (events[0]?.data.n ?? 0) >= EVENTS - 100;
    });
    for (const raw of stalled) {
      raw.socket.resume();
      await raw.receives(new RegExp(last.id), 60_000);
      const { events, unannounced } = readThrough(raw.text);
      expect(events).toBeLessThan(EVENTS);
      expect(unannounced, 'holes that no gap had told of before').toEqual([]);
      raw.destroy();
    }
  });

  test('are not closed before the configured time, and then with 4408 or the end of their stream', async () => {
    hub = await startHubProcess({ config: { delivery: { stalledTimeoutMs: STALLED_TIMEOUT_MS } } });
    const { sse, webSocket } = await stalledPair();
    expect(closeCodeIn(webSocket.text)).toBe(4408);
    expect(sse.text).not.toContain('"n":1999');
    // No event is lost: the clients reconnect with their last cursor.
    for (const [raw, transport] of [
      [sse, 'sse'],
      [webSocket, 'websocket'],
    ] as const) {
      const seen = [...raw.text.matchAll(/\{"id":"([^"]{22})","channel":"a"[^}]*\}\}/g)];
      const follower = new Follower(hub.url, transport, { channels: ['a'], after: seen.at(-1)?.[1] as string });
      await until('the rest has come', () => seen.length + follower.received.length >= 2000);
      await follower.stop();
      expect(seen.length + follower.received.length).toBe(2000);
      expect(follower.gaps).toEqual([]);
    }
  });

  test('a slow reader that continues to read is not treated as stalled', async () => {
    hub = await startHubProcess({
      config: { delivery: { stalledTimeoutMs: SIPPER_TIMEOUT_MS, batchBytesMax: 32_768 } },
    });
    const sse = await openSse();
    const startMs = performance.now();
    sse.socket.on('data', () => sse.socket.pause());
    // It sips from the beginning, because a busy machine may take long to publish.
    const sipping = setInterval(() => sse.socket.resume(), SIP_INTERVAL_MS);
    const { id } = await publishMany(1500);
    await sse.receives(new RegExp(id), 60_000).finally(() => clearInterval(sipping));
    expect(performance.now() - startMs).toBeGreaterThan(SIPPER_TIMEOUT_MS);
    expect(sse.closed).toBe(false);
    sse.destroy();
  });
});

async function openSse(): Promise<RawSocket> {
  const raw = await rawSocket(hub.url);
  raw.send('GET /v1/events?channel=a HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
  await raw.receives(/polycast.ready/);
  return raw;
}

function openWebSocket(): Promise<RawSocket> {
  return rawWebSocket(hub.url, '/v1/events?channel=a');
}

/**
 * Two clients that read on as soon as the hub counts both as stalled, until it has closed their
 * connections. On a slow machine the hub may have dropped its last bytes by then. Then two others
 * do the same.
 */
async function stalledPair(): Promise<{ readonly sse: RawSocket; readonly webSocket: RawSocket }> {
  for (let round = 1; ; round++) {
    const sse = await openSse();
    const webSocket = await openWebSocket();
    for (const { socket } of [sse, webSocket]) socket.pause();
    const startMs = performance.now();
    let noneMs = startMs;
    await publishMany(2000);
    await until('both are counted as stalled', async () => {
      const askedMs = performance.now();
      const { text } = await call(`${hub.url}/metrics`);
      const count = Number(/polycast_stalled_sessions_total (\d+)/.exec(text)?.[1]) - 2 * (round - 1);
      if (count === 0) noneMs = askedMs;
      return count === 2;
    });
    expect(performance.now() - startMs).toBeGreaterThan(STALLED_TIMEOUT_MS);
    for (const { socket } of [sse, webSocket]) socket.resume();
    await Promise.all([sse.closes(), webSocket.closes()]);
    if (performance.now() - noneMs < LAST_BYTES_MS || round === ROUNDS_MAX) return { sse, webSocket };
  }
}

/** Numbered events of about 8 kB. Returns the last one. */
async function publishMany(count: number): Promise<Published> {
  const text = 'x'.repeat(EVENT_BYTES);
  let last: Published | undefined;
  for (let n = 0; n < count; n += 500) {
    const events = Array.from({ length: Math.min(500, count - n) }, (_, index) => ({
      channel: 'a',
      data: { n: n + index, text },
    }));
    last = (await publishAll(hub.url, events)).at(-1);
  }
  return last as Published;
}

/**
 * The number of events, and the holes among them that no gap announced. All positions belong to one
 * channel.
 */
function readThrough(text: string): { readonly events: number; readonly unannounced: readonly string[] } {
  const unannounced: string[] = [];
  let events = 0;
  let position = 0;
  let goneThrough = 0;
  for (const [, gapTo, id] of text.matchAll(/"from":"[^"]{22}","to":"([^"]{22})"|\{"id":"([^"]{22})","channel"/g)) {
    if (gapTo !== undefined) goneThrough = Math.max(goneThrough, positionOf(gapTo));
    if (id === undefined) continue;
    const next = positionOf(id);
    if (next !== position + 1 && next - 1 > goneThrough) unannounced.push(`${position} to ${next}`);
    if (next <= position) unannounced.push(`${position} back to ${next}`);
    position = next;
    events++;
  }
  return { events, unannounced };
}

function positionOf(cursor: string): number {
  return parseCursor(cursor)?.position ?? -1;
}

/** Reads to the end. Every event must arrive once, in order. */
async function readOn(raw: RawSocket, last: Published, count: number): Promise<void> {
  raw.socket.resume();
  await raw.receives(new RegExp(`"id":"${last.id}"`), 60_000);
  const ids = [...raw.text.matchAll(/\{"id":"([^"]{22})","channel":"a"/g)].map(([, id]) => id as string);
  expect(ids.length).toBe(count);
  expect(ids).toEqual([...new Set(ids)].toSorted());
}
