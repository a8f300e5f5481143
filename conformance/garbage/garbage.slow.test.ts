import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from '@polycast/protocol';
import { Canary } from '../kit/clients/canary.ts';
import { Heap, WITH_INSPECTOR } from '../kit/heap.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { clientFrame, closeCodeIn, rawSocket, rawWebSocket, type RawSocket } from '../kit/wire/raw-socket.ts';
import { Seeded } from '../kit/seeded.ts';
import { within, until } from '../kit/wait.ts';
import { FRAMES, NO_OPERATIONS, REFUSED_OPERATIONS } from './frames.ts';
import { REQUESTS } from './requests.ts';
import { QUEUE, SUBSCRIPTION_OPERATIONS, SUBSCRIPTION_REQUESTS, WEBHOOK } from './subscriptions.ts';

/** `POLYCAST_HEAVY=1` sends ten times as much noise. */
const NOISE = process.env['POLYCAST_HEAVY'] === undefined ? 1500 : 15_000;
const GROWTH_BYTES_MAX = 96 * 1024 * 1024;
/**
 * The time that a publish of the canary may take on a busy machine. On a blocked hub it takes
 * longer.
 */
const BEAT_MS_MAX = 8000;

let hub: HubProcess;
let canary: Canary;
/** The names of existing resources, by placeholder. */
const ids = new Map<string, string>();
beforeAll(async () => {
  hub = await startHubProcess({ config: { defaults: { historyCountMax: 1000 } }, environment: WITH_INSPECTOR });
  canary = new Canary(hub.url);
  ids.set(WEBHOOK, await subscribe({ kind: 'webhook', url: 'http://127.0.0.1:9/' }));
  ids.set(QUEUE, await subscribe({ kind: 'pull' }));
  // No refused request may return it.
  await fetch(`${hub.url}/v1/channels/garbage/events`, {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: 'waits',
  });
});
afterAll(() => hub.end('SIGKILL'));

describe('invalid requests (PROTOCOL.md section 9)', () => {
  test.each(REQUESTS)('$name receives $code', async ({ bytes, code }) => {
    const raw = await rawSocket(hub.url);
    raw.send(bytes);
    await raw.receives(/^HTTP\/1\.1 \d{3}[^\r]*\r\n[^]*?\r\n\r\n/);
    if (code === undefined) expect(raw.status).toBeLessThan(300);
    else await expectProblem(raw, code);
    raw.destroy();
  });

  test.each(SUBSCRIPTION_REQUESTS)('$name receives $code', async ({ bytes, code }) => {
    const raw = await rawSocket(hub.url);
    raw.send(withIds(bytes as string));
    await expectProblem(raw, code as ErrorCode);
    raw.destroy();
  });

  test.each(named(SUBSCRIPTION_OPERATIONS))('$name is refused by its answer', async ({ text, code }) => {
    const raw = await rawWebSocket(hub.url);
    raw.send(clientFrame(1, Buffer.from(withIds(text))));
    const [, found] = await raw.receives(/"ok":false,"error":{[^}]*"code":"(\w+)"/);
    expect(found).toBe(code);
    await expectAlive(raw);
  });

  test('none of these requests stores, leases or acknowledges an event', async () => {
    const found = await json('GET', '/v1/subscriptions');
    const subscriptions = found['subscriptions'] as { id: string; backlog: object; delivery: { secrets?: object[] } }[];
    expect(subscriptions.map(({ id }) => id)).toEqual([...ids.values()].toSorted());
    for (const { id, backlog, delivery } of subscriptions) {
      if (id === ids.get(QUEUE)) expect(backlog).toMatchObject({ inFlight: 0, failing: 0, deadLetters: 0 });
      else expect(delivery.secrets).toHaveLength(1);
      expect((await fetch(`${hub.url}/v1/subscriptions/${id}`)).headers.get('etag')).toBe('"1"');
    }
    const { events } = await json('POST', `/v1/subscriptions/${ids.get(QUEUE)}/pull`, {});
    expect(events).toMatchObject([{ delivery: 1, event: { data: 'waits' } }]);
  });

  test('random bytes, and valid requests with random bytes in them, receive a documented answer each', async () => {
    const seeded = new Seeded();
    const before = await Heap.residentBytes(hub);
    for (let round = 0; round < NOISE; round += 50) {
      await Promise.all(Array.from({ length: 50 }, () => sendNoise(noise(seeded), `seed ${seeded.seed}`)));
    }
    await until('no growth stays', async () => (await Heap.residentBytes(hub)) - before < GROWTH_BYTES_MAX);
  });

  test('a connection stays open after a refusal, unless a body was left unread', async () => {
    const raw = await rawSocket(hub.url);
    raw.send('GET /v1/events?channel=%00 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await expectProblem(raw, 'invalid_pattern');
    raw.send('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await raw.receives(/{"status":"ok"}/);
    raw.destroy();
  });
});

describe('invalid WebSocket frames (PROTOCOL.md section 7.4)', () => {
  test.each(FRAMES)('$name closes with $code', async ({ bytes, code }) => {
    const raw = await rawWebSocket(hub.url);
    raw.send(bytes);
    await raw.closes();
    expect(closeCodeIn(raw.text)).toBe(code);
  });

  test.each(named(NO_OPERATIONS))('$name is answered by an error', async ({ text, code }) => {
    const raw = await rawWebSocket(hub.url);
    raw.send(clientFrame(1, Buffer.from(text)));
    const [, found] = await raw.receives(/"op":"error","ok":false,"error":{[^}]*"code":"(\w+)"/);
    expect(found).toBe(code);
    await expectAlive(raw);
  });

  test.each(named(REFUSED_OPERATIONS))('$name is refused by its answer', async ({ text, code }) => {
    const raw = await rawWebSocket(hub.url);
    raw.send(clientFrame(1, Buffer.from(text)));
    const [, found] = await raw.receives(/"ok":false,"error":{[^}]*"code":"(\w+)"/);
    expect(found).toBe(code);
    await expectAlive(raw);
  });

  test('random bytes end in a close code, and fragments of any size form one message', async () => {
    const seeded = new Seeded();
    for (let round = 0; round < NOISE / 5; round += 25) {
      await Promise.all(Array.from({ length: 25 }, () => sendFrameNoise(seeded)));
    }
    const raw = await rawWebSocket(hub.url);
    for (const byte of clientFrame(1, Buffer.from('{"op":"ping","ref":"byte by byte"}'))) raw.send(Buffer.from([byte]));
    await raw.receives(/"ref":"byte by byte","ok":true/);
    raw.destroy();
  });

  test('a client that sends pings and operations and never reads costs no memory', async () => {
    const before = await Heap.residentBytes(hub);
    const flood = Buffer.concat(Array.from({ length: 400 }, () => clientFrame(9, Buffer.alloc(125, 97))));
    const asks = Buffer.concat(
      Array.from({ length: 400 }, () => clientFrame(1, Buffer.from('{"op":"ping","ref":"' + 'r'.repeat(60) + '"}'))),
    );
    for (const bytes of [flood, asks]) {
      const raw = await rawWebSocket(hub.url);
      raw.socket.pause();
      for (let sent = 0; sent < 100e6 && !raw.socket.destroyed; sent += bytes.length) {
        if (!raw.send(bytes)) await drained(raw);
        if (raw.socket.writableLength > 8e6) break;
      }
      raw.destroy();
    }
    await until('no growth stays', async () => (await Heap.residentBytes(hub)) - before < GROWTH_BYTES_MAX);
  });
});

test('other clients are served normally during these attacks', async () => {
  const { errors, slowestMs } = await canary.stop();
  expect(errors).toEqual([]);
  expect(slowestMs).toBeLessThan(BEAT_MS_MAX);
  expect(errorsIn(hub.log())).toEqual([]);
  expect(hub.child.exitCode).toBeNull();
});

function named(table: readonly (readonly [object | string, string])[]): { name: string; text: string; code: string }[] {
  return table.map(([operation, code]) => {
    const text = typeof operation === 'string' ? operation : JSON.stringify(operation);
    return { name: text.slice(0, 80), text, code };
  });
}

async function json(method: string, path: string, body?: object): Promise<Readonly<Record<string, unknown>>> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(hub.url + path, { method, ...(body && { headers, body: JSON.stringify(body) }) });
  return (await answer.json()) as Readonly<Record<string, unknown>>;
}

async function subscribe(delivery: object): Promise<string> {
  return (await json('POST', '/v1/subscriptions', { channels: ['garbage'], delivery }))['id'] as string;
}

function withIds(text: string): string {
  return [...ids].reduce((sofar, [place, id]) => sofar.replaceAll(place, id), text);
}

function errorsIn(log: string): readonly string[] {
  return log.split('\n').filter((line) => line.includes('"level":"error"'));
}

async function expectProblem(raw: RawSocket, code: ErrorCode): Promise<void> {
  await raw.receives(new RegExp(`"code":"`));
  expect({ status: raw.status, code: raw.code }).toEqual({ status: ERRORS[code].status, code });
  expect(raw.text).toMatch(/Content-Type: application\/problem\+json/i);
}

async function expectAlive(raw: RawSocket): Promise<void> {
  raw.send(clientFrame(1, Buffer.from('{"op":"ping","ref":"still there"}')));
  await raw.receives(/"ref":"still there","ok":true/);
  raw.destroy();
}

/**
 * Resolves when there is room in the socket again, or after a short time: a hub that does not read
 * makes no room.
 */
function drained(raw: RawSocket): Promise<unknown> {
  return once(raw.socket, 'drain', { signal: AbortSignal.timeout(200) }).catch(() => undefined);
}

/** Random bytes, or a valid request that was damaged in one place, cut, or doubled. */
function noise(seeded: Seeded): Buffer {
  const good = Buffer.from(seeded.pick([...REQUESTS, ...SUBSCRIPTION_REQUESTS]).bytes);
  const at = seeded.below(good.length);
  switch (seeded.below(5)) {
    case 0:
      return Buffer.from(Array.from({ length: 1 + seeded.below(400) }, () => seeded.below(256)));
    case 1:
      good[at] = seeded.below(256);
      return good;
    case 2:
      return good.subarray(0, at);
    case 3:
      return Buffer.concat([
        good.subarray(0, at),
        Buffer.from(Array.from({ length: seeded.below(20) }, () => seeded.below(256))),
        good.subarray(at),
      ]);
    default:
      return Buffer.concat([good, good]);
  }
}

/**
 * Sends, closes its side, and checks the answers: no internal error of the hub, and only documented
 * problems.
 */
async function sendNoise(bytes: Buffer, message: string): Promise<void> {
  const raw = await rawSocket(hub.url);
  raw.socket.end(bytes);
  await within('the hub to close', raw.closes()).catch((error: unknown) => {
    throw new Error(`${String(error)}, ${message}: ${bytes.toString('latin1').slice(0, 200)}`);
  });
  for (const [, status] of raw.text.matchAll(/HTTP\/1\.1 (\d{3})/g))
    expect(Number(status) < 500 || status === '501', `${message} ${raw.text}`).toBe(true);
  for (const [, code] of raw.text.matchAll(/"code":"(\w+)"/g)) expect(ERRORS, message).toHaveProperty(code as string);
}

/** The close code among the hub's frames. A pong has the random bytes of its ping. */
function closeCodeOf(text: string): number | undefined {
  const uint16 = (at: number): number => text.charCodeAt(at) * 256 + text.charCodeAt(at + 1);
  for (let at = text.indexOf('\r\n\r\n') + 4; at + 4 <= text.length;) {
    if (text.charCodeAt(at) === 0x88) return uint16(at + 2);
    const length = text.charCodeAt(at + 1);
    at += length === 126 ? 4 + uint16(at + 2) : 2 + length;
  }
  return undefined;
}

async function sendFrameNoise(seeded: Seeded): Promise<void> {
  const raw = await rawWebSocket(hub.url);
  const frame = Buffer.from(seeded.pick(FRAMES).bytes);
  if (frame.length > 0) frame[seeded.below(Math.min(frame.length, 16))] = seeded.below(256);
  raw.send(
    seeded.below(2) === 0 ? frame : Buffer.from(Array.from({ length: 1 + seeded.below(100) }, () => seeded.below(256))),
  );
  raw.socket.end();
  await raw.closes();
  const code = closeCodeOf(raw.text);
  // A client that closes by random bytes receives its own code (RFC 6455 section 7.4).
  if (code !== undefined) expect(code >= 1000 && code < 5000, `${code}, seed ${seeded.seed}`).toBe(true);
}
