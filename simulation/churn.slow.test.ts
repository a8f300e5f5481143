import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tokenOf } from './churn/tokens.ts';

/**
 * The short form of `churn.ts`: channels, visitors and subscriptions that exist once leave nothing
 * behind except bounded cache entries. The test counts and does not time. It creates and removes
 * each kind a number of times, waits for all, and compares the live memory with the memory before.
 */
interface Kind {
  readonly name: string;
  readonly count: number;
  /**
   * The memory of one of them in caches, plus half a kilobyte: a leak of a kilobyte each is
   * detected.
   */
  readonly bytesOfEachMax: number;
  /** How many come at the same time. */
  readonly atOnce: number;
  readonly come: (number: number) => Promise<void>;
}

/** Half an hour of history, and an hour until a channel is forgotten, pass in seconds. */
const SPEED = 600;

let hub: ChildProcess;
let base = '';
const folder = mkdtempSync(join(tmpdir(), 'polycast-churn-'));
beforeAll(async () => {
  const more = {
    delivery: { tailBytesMax: 65_536 },
    defaults: { historyAgeMaxSeconds: 600 },
    // Minutes take tenths of seconds here.
    limits: { keepAliveTimeoutMs: 3_600_000, headersTimeoutMs: 600_000, bodyTimeoutMs: 3_600_000 },
  };
  hub = fork(join(import.meta.dirname, 'churn/hub-process.ts'), [folder, String(SPEED), JSON.stringify(more)], {
    execArgv: ['--expose-gc'],
  });
  const [{ port }] = (await once(hub, 'message')) as [{ port: number }];
  base = `http://127.0.0.1:${port}`;
});
afterAll(() => {
  hub.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const KINDS: readonly Kind[] = [
  // The first of all kinds: with fewer of them, buffers that the hub makes once would count.
  { name: 'a body of ten events in ten new channels', count: 1200, bytesOfEachMax: 3600, atOnce: 50, come: publishTen },
  { name: 'an event stream of a new user', count: 1000, bytesOfEachMax: 2000, atOnce: 50, come: stream },
  { name: 'a WebSocket of a new user', count: 1000, bytesOfEachMax: 1700, atOnce: 50, come: webSocket },
  { name: 'a held poll of a new user', count: 1000, bytesOfEachMax: 2000, atOnce: 500, come: poll },
  { name: 'a subscription', count: 500, bytesOfEachMax: 300, atOnce: 50, come: subscribe },
];

test.each(KINDS)('$name leaves nothing behind', async ({ name, count, bytesOfEachMax, atOnce, come }) => {
  await crowd(0, count / 2, atOnce, come);
  const before = await liveBytes();
  await crowd(count, count, atOnce, come);
  let each = Infinity;
  await expect
    .poll(async () => (each = ((await liveBytes()) - before) / count), { interval: 500 })
    .toBeLessThan(bytesOfEachMax)
    .catch((error: unknown) => {
      throw new Error(`${name} leaves ${Math.round(each)} bytes`, { cause: error });
    });
});

async function crowd(first: number, count: number, atOnce: number, come: Kind['come']): Promise<void> {
  for (let number = first; number < first + count; number += atOnce)
    await Promise.all(Array.from({ length: atOnce }, (_, index) => come(number + index)));
}

/** The bytes of the hub's objects and buffers after a full garbage collection. */
async function liveBytes(): Promise<number> {
  hub.send('memory');
  const [{ memory }] = (await once(hub, 'message')) as [{ memory: { heapUsed: number; external: number } }];
  return memory.heapUsed + memory.external;
}

async function publishTen(number: number): Promise<void> {
  const events = Array.from({ length: 10 }, (_, index) => ({
    channel: `once.${number % 50}.${number}-${index}`,
    data: 1,
  }));
  await ask('POST', '/v1/events', events);
}

async function subscribe(number: number): Promise<void> {
  const delivery = { kind: 'webhook', url: 'http://127.0.0.1:9/hook' };
  const { id } = (await ask('POST', '/v1/subscriptions', { channels: [`sub.${number}.>`], delivery })) as {
    id: string;
  };
  await ask('DELETE', `/v1/subscriptions/${id}`);
}

function queryOf(number: number, kind: string): string {
  return `channel=@me&channel=room.${number % 300}&channel=once.${number}.*&token=${tokenOf(`${kind}-${number}`)}`;
}

function stream(number: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { accept: 'text/event-stream' };
    const request = get(`${base}/v1/events?${queryOf(number, 'stream')}`, { headers, agent: false }, (response) => {
      if (response.statusCode !== 200) return reject(new Error(`${response.statusCode}`));
      response.once('data', () => {
        request.destroy();
        resolve();
      });
    });
    request.on('error', reject);
  });
}

function webSocket(number: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${base.replace('http', 'ws')}/v1/events?${queryOf(number, 'socket')}`);
    socket.on('error', reject);
    socket.once('message', () => {
      socket.terminate();
      resolve();
    });
  });
}

/**
 * A long poll of a channel without events. It waits for a minute, which takes a tenth of a second
 * here.
 */
function poll(number: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(`${base}/v1/events?${queryOf(number, 'poll')}&wait=60`, { agent: false }, (response) => {
      if (response.statusCode !== 200) return reject(new Error(`${response.statusCode}`));
      response.resume().on('end', resolve);
    });
    request.on('error', reject);
  });
}

async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(base + path, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 200)}`);
  return text === '' ? undefined : JSON.parse(text);
}
