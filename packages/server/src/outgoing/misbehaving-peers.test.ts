import { connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SendResult } from '../subscriptions/state/sender.ts';
import { ANSWERS, answerPrefix, ENDINGS, misbehavingPeer, uncaughtErrors } from '../testing/misbehaving-peer.ts';
import { listenUntilTestEnds } from '../testing/test-servers.ts';
import { createGuardedFetch, type OutgoingAnswer } from './guarded-fetch.ts';
import { OutgoingError } from './outgoing-error.ts';
import { selfSigned } from './testing/certificates.ts';
import { DEFAULTS, post, testSender } from './testing/test-sender.ts';

/**
 * Just long enough for a busy machine to send some bytes to itself: most of these tests wait for
 * this timeout.
 */
const TIMEOUT_MS = 300;
const KINDS = Object.entries(ANSWERS);
const MANNERS = Object.entries(ENDINGS);
const MANY = { loopback: true, connectionsMax: 5000, connectionsPerHostMax: 500 };

/** All lengths of a cut answer: from 0 to the whole. */
function cuts(answer: string): number[] {
  return Array.from({ length: answer.length + 1 }, (_, length) => length);
}

/** Runs all kinds of answers at once, each from its own peer. */
async function eachKind(check: (answer: string, kind: string) => Promise<void>): Promise<void> {
  const uncaught = uncaughtErrors();
  await Promise.all(KINDS.map(([kind, answer]) => check(answer, kind)));
  expect(uncaught).toEqual([]);
}

describe.each(MANNERS)('after each number of bytes of an answer, %s', (manner, ending) => {
  test('a webhook request has an outcome', async () => {
    const isWhole = manner === 'the rest, and an end';
    const timeoutMs = isWhole ? 20_000 : TIMEOUT_MS;
    await eachKind(async (answer, kind) => {
      const { port } = await misbehavingPeer(answer, ending);
      const sender = testSender(MANY);
      const sent = await Promise.all(
        cuts(answer).map((length) => sender.send(post(`http://127.0.0.1:${port}/${length}`, { timeoutMs }))),
      );
      for (const one of sent) expect(isOutcome(one), `${kind}: ${JSON.stringify(one)}`).toBe(true);
      // Every cut of the same answer has the same outcome.
      if (isWhole) expect(new Set(sent.map(outcomeText)).size, kind).toBe(1);
      expect(sender.metrics.waiting).toBe(0);
    });
  });

  test('the hub may stop at that moment', () =>
    eachKind(async (answer, kind) => {
      const peer = await misbehavingPeer(answer, ending);
      const sender = testSender(MANY);
      // All of them are to begin before one of them ends.
      const sending = cuts(answer).map((length) =>
        sender.send(post(`http://127.0.0.1:${peer.port}/${length}`, { timeoutMs: 60_000 })),
      );
      await expect.poll(() => peer.startedCount, { interval: 1, timeout: 10_000 }).toBe(sending.length);
      await sender.close();
      for (const one of await Promise.all(sending)) expect(isOutcome(one), kind).toBe(true);
      expect(sender.metrics).toEqual({ open: 0, idle: 0, waiting: 0 });
    }));

  test.each([1000, 1])('a document, of at most %d bytes, has an outcome', (bytesMax) =>
    eachKind(async (answer) => {
      const { port } = await misbehavingPeer(answer, ending);
      const guard = createGuardedFetch({ ...DEFAULTS, loopback: true });
      onTestFinished(() => guard.close());
      const fetched = cuts(answer).map((length) =>
        outcomeOf(guard.fetch(`http://127.0.0.1:${port}/${length}`, { timeoutMs: TIMEOUT_MS, bytesMax })),
      );
      for (const one of await Promise.all(fetched)) expect(one).toBeDefined();
    }),
  );
});

test('around the limit, an answer that continues, ends, or stalls at any byte has an outcome', async () => {
  const uncaught = uncaughtErrors();
  for (const head of [
    'HTTP/1.1 200 OK\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 16390\r\nConnection: close\r\n\r\n',
  ])
    for (const ending of Object.values(ENDINGS)) {
      const answer = head + 'x'.repeat(16_390);
      const { port } = await misbehavingPeer(answer, ending);
      const sender = testSender(MANY);
      const lengths = Array.from({ length: 12 }, (_, index) => answer.length - index);
      const sent = await Promise.all(
        lengths.map((length) => sender.send(post(`http://127.0.0.1:${port}/${length}`, { timeoutMs: TIMEOUT_MS }))),
      );
      for (const one of sent) expect(isOutcome(one), JSON.stringify(one).slice(0, 200)).toBe(true);
      await expect.poll(() => sender.metrics.open).toBe(0);
    }
  expect(uncaught).toEqual([]);
});

const PAIR = selfSigned({ names: 'IP:127.0.0.1' });
/**
 * Four ways to break TLS: an unencrypted fatal alert, which is invalid; half a record; a reset; an
 * end without `close_notify`.
 */
const BREAKS: readonly (readonly [how: string, cut: (socket: Socket) => void])[] = [
  ['an alert', (socket) => socket.write(Buffer.from([0x15, 3, 3, 0, 2, 2, 40]))],
  ['half a record', (socket) => socket.end(Buffer.from([0x17, 3, 3, 0, 200, 1, 2, 3]))],
  ['a reset', (socket) => socket.resetAndDestroy()],
  ['an end', (socket) => socket.end()],
];

test.each(BREAKS)('over TLS, after each number of bytes of an answer, %s below it', (_how, cut) =>
  eachKind(async (answer, kind) => {
    const port = await listenUntilTestEnds(relayTo(await encryptedPeer(answer, cut)));
    const sender = testSender({ ...MANY, authorities: [PAIR.cert] });
    // Only every third length: a handshake costs more than a request.
    const lengths = cuts(answer).filter((length) => length % 3 === 0);
    const sent = await Promise.all(
      lengths.map((length) => sender.send(post(`https://127.0.0.1:${port}/${length}`, { timeoutMs: 1000 }))),
    );
    for (const one of sent) expect(isOutcome(one), `${kind}: ${JSON.stringify(one)}`).toBe(true);
  }),
);

test('an exception of the HTTP client fails its own request, and is reported', async () => {
  const uncaught = uncaughtErrors();
  const broken: unknown[] = [];
  const { port } = await misbehavingPeer(ANSWERS['a length'] as string, ENDINGS['silence'] as () => void);
  const sender = testSender({
    ...MANY,
    onClientError: (error) => broken.push(error),
    dial: (options) => {
      const socket = connect(options);
      socket.on('readable', () => {
        if (options.port === port) throw new Error('thrown by a listener');
      });
      return socket;
    },
  });
  expect(await sender.send(post(`http://127.0.0.1:${port}/10`))).toMatchObject({ failure: 'answer' });
  expect(broken).toMatchObject([{ message: 'thrown by a listener' }]);
  await expect.poll(() => sender.metrics).toEqual({ open: 0, idle: 0, waiting: 0 });
  const other = await misbehavingPeer(ANSWERS['a length'] as string, ENDINGS['the rest'] as () => void);
  expect(await sender.send(post(`http://127.0.0.1:${other.port}/10`))).toMatchObject({ answer: { status: 200 } });
  expect(uncaught).toEqual([]);
});

/** The sockets below TLS to break, by the port that the TLS server sees. */
const relays = new Map<number, Socket>();

async function encryptedPeer(answer: string, cut: (socket: Socket) => void): Promise<number> {
  const server = createTlsServer({ ...PAIR, allowHalfOpen: true }, (socket) => {
    const relay = relays.get(socket.remotePort ?? 0);
    const breakIt = (): void => {
      if (relay !== undefined) cut(relay);
    };
    answerPrefix(socket, answer, () => setImmediate(() => setImmediate(breakIt)), { startedCount: 0 });
  });
  return listenUntilTestEnds(server.on('tlsClientError', () => undefined));
}

/** Forwards bytes, so that a test can insert others. */
function relayTo(port: number): Server {
  return createServer((outside) => {
    const inside = connect(port, '127.0.0.1', () => {
      relays.set(inside.localPort as number, outside);
      inside.pipe(outside, { end: false });
      outside.pipe(inside);
    });
    inside.on('error', () => undefined);
    outside.on('close', () => inside.destroy());
  });
}

const FAILURES: ReadonlySet<string> = new Set(['timeout', 'connection', 'answer', 'certificate']);

function isOutcome({ failure, answer }: SendResult): boolean {
  return failure === undefined ? answer !== undefined && answer.status >= 200 : FAILURES.has(failure);
}

function outcomeText({ failure, answer }: SendResult): string {
  return JSON.stringify([failure, answer]);
}

async function outcomeOf(
  fetching: ReturnType<ReturnType<typeof createGuardedFetch>['fetch']>,
): Promise<OutgoingAnswer | OutgoingError> {
  try {
    return await fetching;
  } catch (error) {
    if (error instanceof OutgoingError) return error;
    throw error;
  }
}
