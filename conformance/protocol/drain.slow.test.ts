import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { ecdsa, jwkOf, PAIRS, tokenOf } from '../../packages/server/src/identity/tokens/testing.ts';
import { selfSigned } from '../kit/certificates.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publish, publishAll } from '../kit/http.ts';
import { closeCodeIn, rawSocket, rawWebSocket, UPGRADE_HEADERS, type RawSocket } from '../kit/wire/raw-socket.ts';
import { until } from '../kit/wait.ts';

/**
 * PROTOCOL.md section 11: on SIGTERM the hub notifies each client, finishes what is in flight, and
 * ends in bounded time.
 */
const DRAIN_MS = 1000;
/**
 * The drain, the second for a session's last bytes, and the closing of the log, on a busy machine.
 * Tests wait for longer than this.
 */
const END_MS_MAX = DRAIN_MS + 14_000;
/** For tests with a publish in flight, which the client may finish late. */
const LONG_DRAIN_MS = 30_000;
const HOST = 'Host: localhost\r\n';

let hub: HubProcess;
let beganMs: number;
let ended: Promise<number | null>;
beforeEach(async () => {
  hub = await startHubProcess({ config: { drain: { timeMs: DRAIN_MS } } });
});
afterEach(() => hub.end('SIGKILL'));

/** In place of the hub that each test has. */
async function startWith(drainMs: number, more: object = {}): Promise<void> {
  await hub.end('SIGKILL');
  hub = await startHubProcess({ config: { drain: { timeMs: drainMs }, ...more } });
}

describe('a hub that receives SIGTERM', () => {
  test('sends every session the drain message of its transport', async () => {
    const { id } = await publish(hub.url, { channel: 'a', data: 1 });
    const sse = await Promise.all(
      Array.from({ length: 20 }, () => ask('GET /v1/events?channel=a', 'Accept: text/event-stream\r\n')),
    );
    const webSockets = await Promise.all(
      Array.from({ length: 20 }, () => rawWebSocket(hub.url, '/v1/events?channel=a')),
    );
    const longPoll = await ask('GET /v1/events?channel=a&wait=60');
    const preferring = await ask('GET /v1/events?channel=a', 'Prefer: wait=60\r\n');
    const blocking = await ask('GET /v1/channels/a?wait=60', `If-None-Match: "${id}"\r\n`);
    await Promise.all(sse.map((raw) => raw.receives(/polycast.ready/)));
    await until('all are there', async () => (await sessionsOf()) === 43);
    terminate();

    await Promise.all([...sse, ...webSockets, longPoll, preferring, blocking].map((raw) => raw.closes(END_MS_MAX)));
    // The last chunk shows that the stream ended in order.
    for (const raw of sse)
      expect(raw.text).toMatch(/event: polycast.draining\nretry: (\d+)\ndata: {"reconnectInMs":\1}\n\n\r\n0\r\n\r\n$/);
    for (const raw of webSockets) {
      expect(raw.text).toMatch(/{"op":"draining","reconnectInMs":\d+}/);
      expect(closeCodeIn(raw.text)).toBe(1001);
    }
    const hints = new Set([...sse, ...webSockets].map(({ text }) => /"reconnectInMs":(\d+)/.exec(text)?.[1]));
    expect(hints.size, 'each has a hint of its own').toBeGreaterThan(20);
    for (const raw of [longPoll, preferring])
      expect(raw.text).toMatch(new RegExp(`^HTTP/1.1 200 [^]*{"events":\\[\\],"cursor":"${id}","gaps":\\[\\]}$`));
    expect(blocking.text).toMatch(/^HTTP\/1\.1 304 /);
    await endsWell();
  });

  test('finishes publishes in flight, and refuses new publishes and new readers', async () => {
    await startWith(LONG_DRAIN_MS);
    const body = '{"channel":"a","data":"in flight"}';
    const head = `POST /v1/events HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    const inFlight = await rawSocket(hub.url);
    inFlight.send(head + body.slice(0, 10));
    const lines = await rawSocket(hub.url);
    lines.send(
      `POST /v1/events HTTP/1.1\r\n${HOST}Content-Type: application/x-ndjson\r\nContent-Length: ${2 * body.length + 1}\r\n\r\n${body}\n`,
    );
    await lines.receives(/"id"/);
    const webSocket = await rawWebSocket(hub.url, '/v1/events?channel=a');
    const idle = await ask('GET /healthz');
    await idle.receives(/ok/);
    terminate();

    await listensNoMore();
    inFlight.send(body.slice(10));
    lines.send(body);
    await inFlight.receives(/^HTTP\/1\.1 201 [^]*"id"/);
    await lines.receives(/"id"[^]*"id"/);
    // The hub closes an idle connection, also while the next request is on its way.
    inFlight.send(head + body);
    const isRefused = (): boolean => /503 Service Unavailable[^]*"code":"draining"/.test(inFlight.text);
    await until('it is refused, or closed', () => isRefused() || inFlight.closed);
    if (isRefused()) expect(inFlight.text).toMatch(/Retry-After: \d+/);
    expect(inFlight.text.match(/HTTP\/1\.1 201 /g)).toHaveLength(1);
    await webSocket.closes(END_MS_MAX);
    await endsWell();
  });

  test('waits for a publish in flight when nothing else is open', async () => {
    await startWith(LONG_DRAIN_MS);
    const body = '{"channel":"a","data":"in flight"}';
    const inFlight = await rawSocket(hub.url);
    inFlight.send(
      `POST /v1/events HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n{`,
    );
    await until('the request has begun', async () => (await call(`${hub.url}/healthz`)).status === 200);
    terminate();
    await listensNoMore();
    inFlight.send(body.slice(1));
    await inFlight.receives(/^HTTP\/1\.1 201 [^]*"id"/);
    await endsWell();
  });

  test('reports the reason on /readyz to clients that are still connected', async () => {
    await startWith(LONG_DRAIN_MS);
    const probe = await rawSocket(hub.url);
    // A request in flight keeps the connection open; the probe follows it.
    const body = '{"channel":"a","data":1}';
    probe.send(
      `POST /v1/events HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    const session = await rawWebSocket(hub.url);
    terminate();
    await listensNoMore();
    probe.send(`${body}GET /readyz HTTP/1.1\r\n${HOST}\r\n`);
    await probe.receives(/503 Service Unavailable[^]*"why":"draining"/);
    await session.closes(END_MS_MAX);
    await endsWell();
  });

  test('disconnects clients that do not read, do not stop sending, or do not finish, within a bounded time', async () => {
    const stalled = [
      await ask('GET /v1/events?channel=a', 'Accept: text/event-stream\r\n'),
      await rawWebSocket(hub.url, '/v1/events?channel=a'),
    ];
    for (const { socket } of stalled) socket.pause();
    for (let n = 0; n < 4; n++) await publishMuch();
    const endless = await rawSocket(hub.url);
    endless.send(
      `POST /v1/events HTTP/1.1\r\n${HOST}Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const line = '{"channel":"b","data":1}\n';
    const sending = setInterval(() => endless.send(`${line.length.toString(16)}\r\n${line}\r\n`), 5);
    const half = await rawSocket(hub.url);
    half.send(`POST /v1/events HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`);
    await endless.receives(/"id"/);
    terminate();
    await endsWell().finally(() => clearInterval(sending));
  });

  test('refuses a session that waits for its identity when the drain begins', async () => {
    const issuer = await heldKeys();
    await startWith(LONG_DRAIN_MS, issuer.config);
    const bearer = `Authorization: Bearer ${issuer.token}\r\n`;
    const waiting = [
      await ask('GET /v1/events?channel=a', bearer + UPGRADE_HEADERS),
      await ask('GET /v1/events?channel=a', `${bearer}Accept: text/event-stream\r\n`),
      await ask('GET /v1/events?channel=a&wait=60', bearer),
    ];
    await issuer.asked;
    await until('the others have begun too', async () => (await call(`${hub.url}/healthz`)).status === 200);
    terminate();
    await listensNoMore();
    issuer.answer();
    for (const raw of waiting) {
      await raw.closes(END_MS_MAX);
      expect([raw.status, raw.code]).toEqual([503, 'draining']);
    }
    await endsWell();
  });

  test('does not wait for a WebSocket whose identity comes after the drain, and never opens its session', async () => {
    const issuer = await heldKeys();
    await startWith(0, issuer.config);
    const waiting = await ask(
      'GET /v1/events?channel=a',
      `Authorization: Bearer ${issuer.token}\r\n${UPGRADE_HEADERS}`,
    );
    await issuer.asked;
    terminate();
    // The hub waits 5 s for keys.
    await waiting.closes(4_000);
    issuer.answer();
    await endsWell();
    expect(waiting.text).not.toContain('101');
  });

  test.each(['CONNECT a:1', 'GET /v1/events'])(
    'does not wait for a client that asks with %s behind answers that it does not read',
    async (line) => {
      await startWith(0);
      for (let n = 0; n < 2; n++) await publishMuch();
      const unread = await rawSocket(hub.url);
      unread.socket.pause();
      const question = `GET /v1/channels/a/history?limit=1000 HTTP/1.1\r\n${HOST}\r\n`;
      unread.send(question.repeat(8) + `${line} HTTP/1.1\r\n${HOST}${UPGRADE_HEADERS}\r\n`);
      await until('the hub answers', () => unread.socket.bytesRead > 0 || unread.socket.readableLength > 0);
      await until('it has read all', async () => (await call(`${hub.url}/healthz`)).status === 200);
      terminate();
      await endsWell();
    },
  );

  test('does not wait for a client that begins no TLS handshake', async () => {
    await startWith(0, { tls: selfSigned('hub') });
    const silent = await rawSocket(hub.url);
    await until('the hub has the connection', async () => (await call(`${hub.url}/healthz`)).status === 200);
    terminate();
    await endsWell();
    // A handshake may take 10 s.
    expect(performance.now() - beganMs).toBeLessThan(8_000);
    await silent.closes();
  });
});

/** An issuer of tokens that holds back its keys until `answer` is called. */
async function heldKeys(): Promise<{
  /** For a hub that trusts it. */
  readonly config: object;
  readonly token: string;
  /** The hub has asked for the keys. */
  readonly asked: Promise<unknown>;
  answer(): void;
}> {
  const pair = PAIRS.ES256;
  const answered = Promise.withResolvers<void>();
  const server = createServer((_request, response) => {
    void answered.promise.then(() => response.end(JSON.stringify({ keys: [{ ...jwkOf(pair.publicKey), kid: '1' }] })));
  });
  const asked = once(server, 'request');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const seconds = Math.floor(Date.now() / 1000);
  const claims = { sub: 'ann', iat: seconds, exp: seconds + 600 };
  return {
    config: {
      identity: { tokens: [{ jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }] },
    },
    token: tokenOf({ alg: 'ES256', kid: '1' }, claims, ecdsa(pair.privateKey)),
    asked,
    answer: () => answered.resolve(),
  };
}

async function listensNoMore(): Promise<void> {
  await until('it listens no more', () =>
    call(`${hub.url}/healthz`).then(
      () => false,
      () => true,
    ),
  );
}

async function ask(line: string, headers = ''): Promise<RawSocket> {
  const raw = await rawSocket(hub.url);
  raw.send(`${line} HTTP/1.1\r\n${HOST}${headers}\r\n`);
  return raw;
}

/** Publishes 4 MB. */
function publishMuch(): Promise<unknown> {
  const data = 'x'.repeat(8000);
  return publishAll(
    hub.url,
    Array.from({ length: 500 }, () => ({ channel: 'a', data })),
  );
}

async function sessionsOf(): Promise<number> {
  const { text } = await call(`${hub.url}/metrics`);
  return [...text.matchAll(/^polycast_sessions{[^}]*} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
}

function terminate(): void {
  beganMs = performance.now();
  ended = hub.end('SIGTERM');
}

async function endsWell(): Promise<void> {
  expect(await ended).toBe(0);
  expect(performance.now() - beganMs).toBeLessThan(END_MS_MAX);
  expect(hub.log()).not.toContain('"level":"error"');
}
