import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as http from 'node:http';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../kit/folders.ts';
import { residentBytes, startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publish, type Reply } from '../kit/http.ts';
import { rawSocket } from '../kit/wire/raw-socket.ts';
import { within } from '../kit/wait.ts';

/** PROTOCOL.md section 8. */
const HEAVY = process.env['POLYCAST_HEAVY'] !== undefined;
const LINES = HEAVY ? 1_000_000 : 100_000;
const GROWTH_BYTES_MAX = (HEAVY ? 320 : 160) * 1024 * 1024;
const JSON_TYPE = { 'Content-Type': 'application/json' };

/** A small tail, so that the test measures the memory of the lines and not that of the tail. */
const config = { delivery: { tailBytesMax: 1024 * 1024 } };
const data = temporaryFolder('publishing');
let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess({ data, config });
});
afterAll(() => hub.end('SIGKILL'));

describe('idempotency keys (section 8.4)', () => {
  test('a hundred concurrent publishes with one key store one event, and all receive its id', async () => {
    const replies = await Promise.all(
      Array.from({ length: 100 }, () => post({ channel: 'once', data: 1 }, { 'Idempotency-Key': 'storm' })),
    );
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(replies.map(({ text }) => text)).size).toBe(1);
    expect(replies.filter(({ headers }) => headers['idempotency-replayed'] === 'true')).toHaveLength(99);
    expect(await count('once')).toBe(1);
  });

  test('are valid after a restart and a kill, for arrays and lines as well', async () => {
    const events = [
      { channel: 'again', data: 1 },
      { channel: 'again', data: 2, idempotencyKey: 'own' },
    ];
    const keyed = { 'Idempotency-Key': 'batch' };
    const lines = events
      .map((event) => JSON.stringify({ ...event, channel: 'lines', idempotencyKey: undefined }))
      .join('\n');
    const publishBoth = async (): Promise<string[]> => [
      (await post(events, keyed)).text,
      (await post(lines, { ...keyed, 'Content-Type': 'application/x-ndjson', 'Idempotency-Key': 'lines' })).text,
    ];
    const first = await publishBoth();
    expect(first.join()).not.toContain('"error"');
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await hub.end(signal);
      hub = await startHubProcess({ data, config });
      expect(await publishBoth()).toEqual(first);
    }
    expect([await count('again'), await count('lines')]).toEqual([2, 2]);
    expect(
      (await post({ channel: 'again', data: 1 }, { 'Idempotency-Key': 'batch#0' })).headers['idempotency-replayed'],
    ).toBe('true');
  });

  test.each([
    ['channel', { channel: 'other', data: 1 }],
    ['data', { channel: 'reused', data: 2 }],
    ['type', { channel: 'reused', data: 1, type: 't' }],
  ])('with different %s are refused', async (_what, event) => {
    const headers = { 'Idempotency-Key': 'reused' };
    await post({ channel: 'reused', data: 1 }, headers);
    const reply = await post(event, headers);
    expect([reply.status, reply.json<{ code: string }>().code]).toEqual([422, 'idempotency_key_reused']);
  });

  test('a key whose publish was refused may be used again', async () => {
    const headers = { 'Idempotency-Key': 'second try' };
    expect((await post({ channel: 'try', data: 1, ifMatch: '0000000000-00000000001' }, headers)).status).toBe(412);
    expect((await post({ channel: 'try', data: 2 }, headers)).status).toBe(201);
  });
});

describe('If-Match (section 8.3)', () => {
  test('of a hundred concurrent publishers exactly one succeeds each round, and the others receive the newest id', async () => {
    const agent = new http.Agent({ keepAlive: true });
    let latest: string | null = null;
    for (let round = 0; round < 10; round++) {
      const condition: Record<string, string> =
        latest === null ? { 'If-None-Match': '*' } : { 'If-Match': round % 2 === 0 ? latest : `"${latest}"` };
      const attempts = Array.from({ length: 100 }, (_, n) =>
        call(`${hub.url}/v1/channels/contested/events`, {
          method: 'POST',
          headers: { ...JSON_TYPE, ...condition },
          body: String(n),
          agent,
        }),
      );
      const replies = await Promise.all(attempts);
      const winners = replies.filter(({ status }) => status === 201);
      expect(winners, `round ${round}`).toHaveLength(1);
      latest = winners[0]?.json<{ id: string }>().id ?? null;
      for (const { status, text } of replies.filter((reply) => !winners.includes(reply))) {
        expect(status).toBe(412);
        expect(JSON.parse(text)).toMatchObject({ code: 'precondition_failed', latest });
      }
    }
    expect(await count('contested')).toBe(10);
    agent.destroy();
  });

  test('for an empty channel the answer says that it has no newest event', async () => {
    const reply = await call(`${hub.url}/v1/channels/empty/events`, {
      method: 'POST',
      headers: { ...JSON_TYPE, 'If-Match': '0000000000-00000000001' },
      body: '1',
    });
    expect(reply.json()).toMatchObject({ status: 412, latest: null });
  });
});

describe('lines (section 8.1)', () => {
  test(`${LINES} lines have a result each, in order, in bounded memory`, async () => {
    const before = residentBytes(hub.pid);
    let peak = 0;
    const watching = setInterval(() => (peak = Math.max(peak, residentBytes(hub.pid))), 50);
    const answer = await stream(Readable.from(numbered(LINES)));
    let results = 0;
    let last = '';
    for await (const line of createInterface({ input: answer })) {
      // Every thousandth line is refused, and its result is in its place.
      const isBad = results % 1000 === 999;
      if (line.startsWith('{"error":') !== isBad) throw new Error(`Line ${results}: ${line}`);
      if (!isBad) {
        const id = line.slice(7, 29);
        if (id <= last) throw new Error(`Line ${results} came out of order`);
        last = id;
      }
      results++;
    }
    clearInterval(watching);
    expect(results).toBe(LINES);
    expect(peak - before).toBeLessThan(GROWTH_BYTES_MAX);
  });

  test('a client that reads only after it has sent everything receives all results', async () => {
    const script = [
      'import http.client, sys',
      `c = http.client.HTTPConnection("127.0.0.1", ${hub.port}, timeout=100)`,
      'body = b"".join(b\'{"channel":"half","data":%d}\\n\' % n for n in range(100000))',
      'c.request("POST", "/v1/events", body, {"Content-Type": "application/x-ndjson"})',
      'r = c.getresponse()',
      'lines = r.read().decode().splitlines()',
      'print(r.status, len(lines), sum(\'"id"\' in line for line in lines))',
    ].join('\n');
    expect(await output('python3', ['-c', script])).toBe('200 100000 100000\n');
  });

  test('lines of all kinds, in chunks of any size, have the same results', async () => {
    const lines = [
      '{"channel":"cut","data":"é😀\u2028"}',
      '',
      '   ',
      '{"channel":"cut","data":2}\r',
      'no JSON',
      '{"channel":"cut","data":3} ',
      '{"data":4}',
      '{"channel":"cut","data":5}',
    ];
    const body = Buffer.concat([
      Buffer.from(lines.join('\n') + '\n'),
      Buffer.from([0xff, 0x0a]),
      Buffer.from('{"channel":"cut","data":6}'),
    ]);
    const codes = async (pieces: readonly Buffer[]): Promise<(string | null)[]> => {
      const answer = await stream(Readable.from(pieces));
      const results: (string | null)[] = [];
      for await (const line of createInterface({ input: answer }))
        results.push((JSON.parse(line) as { error?: { code: string } }).error?.code ?? null);
      return results;
    };
    const whole = await codes([body]);
    expect(whole).toEqual([null, null, 'invalid_json', null, 'channel_missing', null, 'invalid_utf8', null]);
    for (let at = 1; at < body.length; at += 7)
      expect(await codes([body.subarray(0, at), body.subarray(at)])).toEqual(whole);
    expect(await codes(Array.from(body, (byte) => Buffer.from([byte])))).toEqual(whole);
  });

  test('a line that is too long is refused alone', async () => {
    const answer = await stream(
      Readable.from([
        '{"channel":"long","data":1}\n',
        '{"channel":"long","data":"',
        ...Array.from({ length: 17 }, () => 'x'.repeat(1024 * 1024)),
        '"}\n{"channel":"long","data":2}\n',
      ]),
    );
    const text = (await answer.toArray()).join('').trimEnd().split('\n');
    expect(text.map((line) => /"code":"(\w+)"/.exec(line)?.[1] ?? 'taken')).toEqual([
      'taken',
      'event_too_large',
      'taken',
    ]);
  });

  test('results arrive while the body is still being sent', async () => {
    const raw = await rawSocket(hub.url);
    raw.send(
      'POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    for (let n = 1; n <= 3; n++) {
      const line = `{"channel":"live","data":${n}}\n`;
      raw.send(`${line.length.toString(16)}\r\n${line}\r\n`);
      await raw.receives(new RegExp(`(?:"id"[^]*){${n}}`));
    }
    raw.send('0\r\n\r\n');
    await raw.receives(/\r\n0\r\n\r\n$/);
    raw.destroy();
  });
});

test('an array has one result per item, and refused items do not affect the others', async () => {
  const reply = await post([
    { channel: 'mixed', data: 1 },
    { channel: '*', data: 1 },
    7,
    { channel: 'mixed', data: 2 },
    { channel: 'mixed', data: 3, ifMatch: '0000000000-00000000001' },
  ]);
  expect(reply.json<{ error?: { code: string } }[]>().map(({ error }) => error?.code ?? 'taken')).toEqual([
    'taken',
    'invalid_channel',
    'invalid_event',
    'taken',
    'precondition_failed',
  ]);
  expect((await post([])).json()).toEqual([]);
});

test('bytes of any media type are returned unchanged', async () => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, n) => (n * 7919) % 256));
  for (const [mediaType, body] of [
    ['image/png', bytes],
    ['text/plain; charset=utf-8', Buffer.from('é\0\u2028\r\n"\\')],
    ['text/plain', Buffer.from([0xff, 0x00])],
    ['application/vnd.x+json', Buffer.from('{"a": 1e400}')],
    ['application/octet-stream', Buffer.alloc(0)],
  ] as const) {
    const { status } = await call(`${hub.url}/v1/channels/bytes/events`, {
      method: 'POST',
      headers: { 'Content-Type': mediaType },
      body,
    });
    expect(status).toBe(201);
    const reply = await call(`${hub.url}/v1/channels/bytes`);
    expect(reply.headers['content-type']).toBe(mediaType);
    expect(digest(reply.bytes)).toBe(digest(body));
  }
});

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function* numbered(lines: number): Generator<string> {
  for (let n = 0; n < lines; n += 500) {
    let text = '';
    for (let line = n; line < Math.min(n + 500, lines); line++)
      text += line % 1000 === 999 ? '{"channel":"*","data":0}\n' : `{"channel":"many","data":${line}}\n`;
    yield text;
  }
}

/** Sends a body in pieces; the answer is read while it is sent. */
function stream(body: Readable): Promise<http.IncomingMessage> {
  return within(
    'an answer',
    new Promise((resolve, reject) => {
      const headers = { 'Content-Type': 'application/x-ndjson' };
      const request = http.request(`${hub.url}/v1/events`, { method: 'POST', headers, agent: false }, resolve);
      request.on('error', reject);
      body.pipe(request);
    }),
    60_000,
  );
}

function post(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  return call(`${hub.url}/v1/events`, {
    method: 'POST',
    headers: { ...JSON_TYPE, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

async function count(channel: string): Promise<number> {
  const { events } = (await call(`${hub.url}/v1/channels/${channel}/history?limit=1000`)).json<{ events: unknown[] }>();
  return events.length;
}

async function output(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return (await child.stdout.setEncoding('utf8').toArray()).join('');
}

test('the hub still publishes after all these tests', async () => {
  expect((await publish(hub.url, { channel: 'end', data: 1 })).channel).toBe('end');
});
