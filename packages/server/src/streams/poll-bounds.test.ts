import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../config/load.ts';
import { openHub, type Hub } from '../hub.ts';

interface Answer {
  readonly events: readonly { readonly channel: string }[];
  readonly cursor: string;
  readonly more?: true;
}

const EVENTS = 100_000;
/** A page of the log looks at 2,048 events at most. */
const PAGES = Math.ceil(EVENTS / 2048);

let hub: Hub;
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-polls-'));
  const { config } = loadConfig({
    settings: [
      'access=loopback',
      'listen=127.0.0.1:0',
      `data=${folder}`,
      'logging.level=error',
      'delivery.tailBytesMax=65536',
      'delivery.logReadsConcurrentMax=1',
    ],
  });
  hub = await openHub(config);
  const events = Array.from({ length: 10_000 }, (_, index) => ({ channel: `noise.${index % 50}`, data: 1 }));
  for (let sent = 0; sent < EVENTS; sent += events.length) await publish(events);
  await publish([{ channel: 'noise.rare', type: 'rare', data: 1 }]);
  await publish(events.slice(0, 1000));
  return async () => {
    await hub.close();
    rmSync(folder, { recursive: true });
  };
});

async function publish(events: readonly object[]): Promise<void> {
  const response = await fetch(`${hub.url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(events),
  });
  expect(response.ok).toBe(true);
  await response.text();
}

async function poll(query: string): Promise<Answer> {
  return (await (await fetch(`${hub.url}/v1/events?${query}`)).json()) as Answer;
}

async function logReads(): Promise<number> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  return Number(/^polycast_log_reads_total (\d+)/m.exec(text)?.[1]);
}

/** Waits until the hub reads no more pages; resolves with the number of reads. */
async function untilNothingIsRead(): Promise<number> {
  let last = -1;
  const isStill = async (): Promise<boolean> => last === (last = await logReads());
  await expect.poll(isStill, { interval: 200, timeout: 30_000 }).toBe(true);
  return last;
}

/** PROTOCOL.md section 5.4. */
test.each(['', '&wait=30'])(
  'a poll for rare events reads a part of the log, and the next one continues from there%s',
  async (held) => {
    const before = await logReads();
    let cursor = 'earliest';
    const answers: Answer[] = [];
    do {
      const answer = await poll(`channel=noise.*&type=rare&after=${cursor}${held}`);
      expect(answer.cursor > cursor || cursor === 'earliest').toBe(true);
      ({ cursor } = answer);
      answers.push(answer);
    } while (answers.at(-1)?.more === true);
    expect(answers.flatMap(({ events }) => events).map(({ channel }) => channel)).toEqual(['noise.rare']);
    expect(answers.length).toBe(Math.ceil(PAGES / 16));
    expect((await logReads()) - before).toBeLessThanOrEqual(PAGES + answers.length);
  },
);

test('reads of a client that has disconnected are stopped, those in flight and those that wait', async () => {
  const before = await logReads();
  const sockets = Array.from({ length: 40 }, (_, index) => {
    const socket = connect(Number(new URL(hub.url).port), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined);
    socket.write(`GET /v1/events?channel=noise.>&type=none${index}&after=earliest HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    return socket;
  });
  await expect.poll(logReads, { timeout: 30_000 }).toBeGreaterThan(before);
  for (const socket of sockets) socket.resetAndDestroy();
  const last = await untilNothingIsRead();
  // Each of them alone would read 16 pages before its response.
  expect(last - before).toBeLessThan((40 * 16) / 2);
});

async function longPolls(): Promise<number> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  return Number(/^polycast_sessions\{transport="long-poll"\} (\d+)/m.exec(text)?.[1]);
}

/** Opens `count` connections that send a request and do not read. */
function askers(count: number, request: (index: number) => string, headers = ''): Socket[] {
  return Array.from({ length: count }, (_, index) => {
    const socket = connect(Number(new URL(hub.url).port), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined);
    socket.write(`GET ${request(index)} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`);
    return socket;
  });
}

test('a wait does not begin after its client has disconnected, whatever preceded it', async () => {
  // These reads keep the log busy, so that the following requests still wait for it when their
  // clients disconnect.
  const before = await logReads();
  const busy = askers(10, (index) => `/v1/events?channel=noise.>&type=other${index}&after=earliest`);
  await expect.poll(logReads, { timeout: 30_000 }).toBeGreaterThan(before);
  const gone = [
    ...askers(20, (index) => `/v1/channels/none.${index}?wait=60`),
    ...askers(20, () => '/v1/channels/noise.rare?wait=60', 'If-None-Match: *\r\n'),
    ...askers(20, (index) => `/v1/events?channel=noise.>&type=old${index}&history=1&wait=60`),
  ];
  await Promise.all(gone.map((socket) => once(socket, 'connect')));
  for (let turn = 0; turn < 5; turn++) await longPolls();
  for (const socket of gone) socket.resetAndDestroy();
  for (const socket of busy) socket.resetAndDestroy();
  // A wait takes a minute, so none of these requests may start one.
  await untilNothingIsRead();
  await expect.poll(longPolls, { timeout: 10_000 }).toBe(0);
});
