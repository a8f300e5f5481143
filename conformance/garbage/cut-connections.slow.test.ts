import { TRANSPORTS } from '@polycast/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { selfSigned } from '../kit/certificates.ts';
import { cutTls, readAndClose, sendAndClose, type CloseMode } from '../kit/wire/cut-connection.ts';
import { post, subscribe } from '../kit/clients/delivery-checks.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { Heap, WITH_INSPECTOR } from '../kit/heap.ts';
import { call, publish } from '../kit/http.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { clientFrame } from '../kit/wire/raw-socket.ts';
import { until } from '../kit/wait.ts';

const AT_ONCE = 16;
const MIB = 1024 * 1024;
/**
 * Enough for the head and the first bytes of the body of each answer. The rest of a stream has the
 * same form.
 */
const ANSWER_BYTES_MAX = 700;
const ENDINGS: readonly CloseMode[] = ['end', 'reset'];
/** Data that shows whether an event is complete: a truncated one has no end. */
const WHOLE = /^(\w+) of .* end$/;

const HOST = 'Host: localhost';
const event = (kind: string, n = 0): string => JSON.stringify({ channel: 'cut', data: `${kind} of ${n} end` });
const head = (line: string, ...headers: string[]): string =>
  `${line} HTTP/1.1\r\n${[HOST, ...headers].join('\r\n')}\r\n\r\n`;
const posted = (path: string, body: string): string =>
  head(`POST ${path}`, 'Content-Type: application/json', `Content-Length: ${body.length}`) + body;
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

const chunked = event('chunked');
const lines = [1, 2, 3].map((n) => `${event('line', n)}\n`).join('');
const upgrade = head(
  'GET /v1/events',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
);
const frame = (text: string): string => clientFrame(1, Buffer.from(text)).toString('latin1');
const frames =
  frame('{"op":"subscribe","channels":["cut"],"after":"earliest","ref":1}') +
  frame(`{"op":"publish","ref":2,${event('frame').slice(1)}`);

/** One request of each kind, in its exact bytes. */
const REQUESTS: Readonly<Record<string, string>> = {
  length: posted('/v1/events', event('length')),
  chunked:
    head('POST /v1/events', 'Content-Type: application/json', 'Transfer-Encoding: chunked') +
    `${chunk(chunked.slice(0, 20))}${chunk(chunked.slice(20))}0\r\n\r\n`,
  lines: head('POST /v1/events', 'Content-Type: application/x-ndjson', `Content-Length: ${lines.length}`) + lines,
  poll: head('GET /v1/events?channel=cut&after=earliest'),
  'long poll': head('GET /v1/events?channel=nothing&after=now&wait=30'),
  stream: head('GET /v1/events?channel=cut&after=earliest', 'Accept: text/event-stream'),
  webSocket: upgrade + frames,
};

let hub: HubProcess;
let heap: Heap;
let queue: string;
const acknowledged = new Set<string>();
const jobs = new Set<string>();

beforeAll(async () => {
  hub = await startHubProcess({
    data: temporaryFolder('cuts'),
    config: { logging: { level: 'warn' } },
    environment: WITH_INSPECTOR,
  });
  heap = await Heap.of(hub);
  queue = await subscribe(hub.url, {
    channels: ['jobs'],
    delivery: { kind: 'pull', leaseSeconds: 1, deliveriesMax: 1000 },
  });
  for (let n = 0; n < 3; n++) jobs.add((await publish(hub.url, { channel: 'jobs', data: n })).id);
});
afterAll(async () => {
  heap.close();
  await hub.end('SIGKILL');
});

describe('a client that disconnects after each byte', () => {
  test('of its request: no event is published partly, and its resources are released', async () => {
    await cutEach(REQUESTS, 9);
    const before = await heap.liveBytes();
    await cutEach(REQUESTS, 1);
    await expectWell(hub);
    // What the hub remembers of sessions that have just ended goes to the disk each second.
    await until('no growth stays', async () => (await heap.liveBytes()) - before < 8 * MIB);
    const kinds = await publishedKinds(hub.url);
    // Only truncated requests precede this. Complete lines of a truncated upload count.
    expect([...kinds].filter((kind) => kind !== 'line' && kind !== 'acknowledged')).toEqual([]);
  });

  test('of the answer: the events that it names are stored', async () => {
    for (const [kind, request] of Object.entries(REQUESTS)) {
      // A long poll has no answer before an event arrives.
      const whole = kind === 'long poll' ? 1 : ANSWER_BYTES_MAX;
      await inTurns(whole, async (count) => {
        // The answer may be shorter: then the hub closes the connection.
        const closing = kind === 'webSocket' ? request : request.replace(HOST, `${HOST}\r\nConnection: close`);
        const answer = await readAndClose(
          hub.url,
          Buffer.from(closing, 'latin1'),
          count,
          ENDINGS[count % 2] as CloseMode,
        );
        for (const [, id] of answer.matchAll(/^\{"id":"([\w-]+)"/gm)) acknowledged.add(id as string);
      });
    }
    await expectWell(hub);
    expect(await publishedKinds(hub.url)).toEqual(new Set(['acknowledged', 'length', 'chunked', 'line', 'frame']));
    expect(acknowledged.size).toBeGreaterThan(ANSWER_BYTES_MAX);
  });

  test('of a pull and of an acknowledgement: no event is lost or partly acknowledged', async () => {
    const pull = posted(`/v1/subscriptions/${queue}/pull`, '{"count":1}');
    await cutEach({ pull }, 1);
    await inTurns(pull.length, async (count) => {
      await readAndClose(hub.url, Buffer.from(pull.replace(HOST, `${HOST}\r\nConnection: close`)), count, 'reset');
    });
    const done = new Set<string>();
    await until('every event has come again', async () => {
      const reply = await post(`${hub.url}/v1/subscriptions/${queue}/pull`, { count: 10, leaseSeconds: 300 });
      for (const {
        lease,
        event: { id },
      } of reply.json<{ events: { lease: string; event: { id: string } }[] }>().events) {
        const body = JSON.stringify({ leases: [lease] });
        await cutEach({ ack: posted(`/v1/subscriptions/${queue}/ack`, body) }, 1);
        const answer = await call(`${hub.url}/v1/subscriptions/${queue}/ack`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body,
        });
        expect(answer.json(), 'it was still leased').toEqual({ count: 1, notHeld: [] });
        done.add(id);
      }
      return done.size === jobs.size;
    });
    expect([...done].toSorted()).toEqual([...jobs].toSorted());
    await expectWell(hub);
  });
});

test('a connection with TLS that is cut at each byte, including those of its handshake', async () => {
  const secure = await startHubProcess({ config: { tls: selfSigned(), logging: { level: 'warn' } } });
  try {
    const request = Buffer.from(REQUESTS['length'] as string);
    let wholeAt = Infinity;
    for (let count = 1; count < wholeAt; count += AT_ONCE)
      await Promise.all(
        Array.from({ length: AT_ONCE }, async (_, index) => {
          const isWhole = await cutTls(secure.url, request, count + index, ENDINGS[index % 2] as CloseMode);
          if (isWhole) wholeAt = Math.min(wholeAt, count + index);
        }),
      );
    expect(wholeAt).toBeGreaterThan(request.length);
    await expectWell(secure);
    expect(await publishedKinds(secure.url)).toEqual(new Set(['length']));
  } finally {
    await secure.end('SIGKILL');
  }
});

/**
 * Cuts each request before its last byte, at each byte or at regular distances, while a publisher
 * publishes.
 */
async function cutEach(requests: Readonly<Record<string, string>>, step: number): Promise<void> {
  for (const request of Object.values(requests)) {
    const bytes = Buffer.from(request, 'latin1');
    acknowledged.add((await publish(hub.url, event('acknowledged'))).id);
    await inTurns(Math.floor(bytes.length / step), async (turn) => {
      for (const ending of ENDINGS) await sendAndClose(hub.url, bytes.subarray(0, turn * step), ending);
    });
  }
}

async function inTurns(count: number, run: (turn: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** The hub runs, has no more clients, and has logged no error. */
async function expectWell({ url, child, log }: HubProcess): Promise<void> {
  await until('all sessions have ended', async () => {
    const { text } = await call(`${url}/metrics`);
    const open = [...text.matchAll(/^polycast_(?:sessions\{[^}]*\}|readers) (\d+)$/gm)];
    expect(open.length).toBe(TRANSPORTS.length + 1);
    return open.every(([, count]) => count === '0');
  });
  expect((await call(`${url}/healthz`)).json()).toEqual({ status: 'ok' });
  expect(child.exitCode).toBeNull();
  expect(log()).not.toContain('"level":"error"');
}

/**
 * The kinds of the stored events. All of them are complete, and the acknowledged ones are among
 * them.
 */
async function publishedKinds(url: string): Promise<ReadonlySet<string>> {
  const kinds = new Set<string>();
  const ids = new Set<string>();
  for (let after = 'earliest', isMore = true; isMore;) {
    const page = (await call(`${url}/v1/events?channel=cut&after=${after}&limit=1000`)).json<Page>();
    for (const { id, data } of page.events) {
      kinds.add(WHOLE.exec(data)?.[1] ?? `half: ${data}`);
      ids.add(id);
    }
    isMore = page.events.length > 0;
    after = page.cursor;
  }
  if (url === hub.url) expect([...acknowledged].filter((id) => !ids.has(id))).toEqual([]);
  expect([...kinds].filter((kind) => kind.startsWith('half'))).toEqual([]);
  return kinds;
}

interface Page {
  readonly events: readonly { readonly id: string; readonly data: string }[];
  readonly cursor: string;
}
