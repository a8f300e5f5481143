import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { SendResult } from '../subscriptions/state/sender.ts';
import { openTcpServer, openWebServer } from '../testing/test-servers.ts';
import { post, testSender } from './testing/test-sender.ts';

/**
 * The outcome of a request to a peer that answers every piece with these bytes, and may then do
 * more.
 */
async function answeredBy(bytes: string, then?: (socket: Socket) => void): Promise<SendResult> {
  const url = await openTcpServer((socket) => {
    socket.write(bytes, 'latin1');
    then?.(socket);
  });
  return testSender({ loopback: true }).send(post(url));
}

const OK = 'HTTP/1.1 200 OK\r\n';

describe('a redirect is an ordinary answer', () => {
  test.each([300, 301, 302, 303, 305, 306, 307, 308])('%d', async (status) => {
    const inside: (string | undefined)[] = [];
    const secret = await openWebServer((request, response) => {
      inside.push(request.url);
      response.end('secret');
    });
    const places = [`${secret.url}/stolen`, '/other', '//127.0.0.1/', 'https://1.1.1.1/', 'file:///etc/passwd'];
    for (const method of ['POST', 'GET', 'OPTIONS'] as const)
      for (const place of places) {
        const paths: (string | undefined)[] = [];
        const { url } = await openWebServer((request, response) => {
          paths.push(request.url);
          response.writeHead(status, { Location: place, Refresh: `0; url=${place}` }).end();
        });
        const sent = await testSender({ loopback: true }).send(post(`${url}/hook`, { method }));
        expect(sent).toMatchObject({ failure: undefined, answer: { status, headers: { location: place } } });
        expect(paths).toEqual(['/hook']);
      }
    expect(inside).toEqual([]);
  });

  test('no other header is followed either', async () => {
    const paths: (string | undefined)[] = [];
    const { url } = await openWebServer((request, response) => {
      paths.push(request.url);
      const place = { Location: '/a', 'Content-Location': '/b', Link: '</c>; rel=preload', 'Alt-Svc': 'h2=":1"' };
      response.writeHead(201, place).end('<meta http-equiv="refresh" content="0; url=/d">');
    });
    const sender = testSender({ loopback: true });
    for (let round = 0; round < 2; round++) await sender.send(post(`${url}/hook`));
    expect(paths).toEqual(['/hook', '/hook']);
  });
});

describe('one deadline covers the whole exchange', () => {
  const dripping =
    (drip: (response: Parameters<RequestListener>[1]) => void): RequestListener =>
    (_request, response) => {
      const timer = setInterval(() => drip(response), 10);
      response.on('close', () => clearInterval(timer));
    };

  test.each<[how: string, listener: RequestListener, detail: RegExp]>([
    ['no answer', () => undefined, /did not answer within 1000 ms/],
    [
      'headers, and no body',
      (_request, response) => void response.writeHead(200).write(''),
      /answered 200, but did not complete the response/,
    ],
    [
      'a body, a byte at a time',
      dripping((response) => response.write('x')),
      /answered 200, but did not complete the response/,
    ],
    [
      'interim answers, one at a time',
      dripping((response) => response.writeEarlyHints({ link: '</a>; rel=preload' })),
      /did not answer|without end/,
    ],
  ])('%s', async (_how, listener, detail) => {
    const { url, server } = await openWebServer(listener);
    const sender = testSender({ loopback: true });
    // Long enough for the head of an answer to arrive on a busy machine.
    const sent = await sender.send(post(url, { timeoutMs: 1000 }));
    expect(['timeout', 'answer']).toContain(sent.failure);
    expect(sent.answer).toBeUndefined();
    expect(sent.detail).toMatch(detail);
    if (sent.failure === 'timeout') expect(sent.timing.totalMs).toBeGreaterThanOrEqual(1000);
    expect(sender.metrics).toEqual({ open: 0, idle: 0, waiting: 0 });
    // The peer's connection is closed as well.
    await expect.poll(() => connectionsOf(server)).toBe(0);
  });

  test('headers, a byte at a time', async () => {
    const timers: NodeJS.Timeout[] = [];
    const url = await openTcpServer((socket) => {
      const letters = [...`${OK}X-Long: ${'x'.repeat(10_000)}`];
      timers.push(setInterval(() => socket.write(letters.shift() ?? 'x'), 5));
    });
    expect(await testSender({ loopback: true }).send(post(url, { timeoutMs: 150 }))).toMatchObject({
      failure: 'timeout',
    });
    for (const timer of timers) clearInterval(timer);
  });

  test('a request that is not read', async () => {
    const { url } = await openWebServer((request) => request.pause());
    const body = Buffer.alloc(32 * 1024 * 1024);
    const sent = await testSender({ loopback: true }).send(post(url, { body, timeoutMs: 200 }));
    expect(sent).toMatchObject({ failure: 'timeout' });
  });
});

describe('of a long body, 16 KiB are read', () => {
  const LIMIT = 16_384;

  test.each<[how: string, listener: RequestListener]>([
    [
      'announced',
      (_request, response) => void response.writeHead(200, { 'Content-Length': 1e9 }).write('x'.repeat(20_000)),
    ],
    [
      'without end',
      (_request, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write('x'.repeat(65_536)));
        };
        response.on('drain', more);
        more();
      },
    ],
    ['one byte too long', (_request, response) => response.end('x'.repeat(LIMIT + 1))],
  ])('%s', async (_how, listener) => {
    const { url, server } = await openWebServer(listener);
    const sender = testSender({ loopback: true });
    const sent = await sender.send(post(url));
    expect(sent).toMatchObject({ failure: undefined, answer: { status: 200, isCut: true } });
    expect(sent.answer?.body).toBe('x'.repeat(LIMIT));
    // Further bytes belong to no request, so the connection cannot be reused.
    expect(sender.metrics.open).toBe(0);
    await expect.poll(() => connectionsOf(server)).toBe(0);
  });

  test('a body of exactly that size', async () => {
    const { url } = await openWebServer((_request, response) => response.end('x'.repeat(LIMIT)));
    const sender = testSender({ loopback: true });
    expect((await sender.send(post(url))).answer).toMatchObject({ body: 'x'.repeat(LIMIT), isCut: false });
    expect(sender.metrics).toMatchObject({ open: 1, idle: 1 });
  });

  test.each(['gzip', 'br', 'deflate, gzip', 'zstd'])(
    'a body compressed with %s is not decompressed',
    async (encoding) => {
      const { url } = await openWebServer((_request, response) =>
        response.writeHead(200, { 'Content-Encoding': encoding }).end(Buffer.alloc(5000, 7)),
      );
      const sent = await testSender({ loopback: true }).send(post(url));
      expect(sent).toMatchObject({ failure: undefined, answer: { status: 200, body: '', isCut: true } });
    },
  );

  test('headers beyond 16 KiB are an invalid answer', async () => {
    for (const header of ['X-Fill: x\r\n'.repeat(3000), `X-Long: ${'x'.repeat(20_000)}\r\n`])
      expect(await answeredBy(`${OK}${header}\r\n`)).toMatchObject({ failure: 'answer' });
  });
});

describe('interim answers', () => {
  test('are skipped', async () => {
    const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n';
    const sent = await answeredBy(`${interim}${OK}Content-Length: 2\r\n\r\nhi`);
    expect(sent).toMatchObject({ failure: undefined, answer: { status: 200, body: 'hi' } });
    expect(sent.answer?.headers).not.toHaveProperty('link');
  });

  test('without end are an invalid answer, long before the deadline', async () => {
    const flood = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(1000);
    const sent = await answeredBy(flood, (socket) => {
      const more = (): void => {
        while (!socket.destroyed && socket.write(flood));
      };
      socket.on('drain', more);
      more();
    });
    expect(sent).toMatchObject({ failure: 'answer', detail: expect.stringContaining('interim') });
  });
});

describe('an answer that is not HTTP, or ends early', () => {
  test.each([
    ['another protocol', 'SSH-2.0-OpenSSH\r\n', 'answer'],
    ['random bytes', '\0\xff\xfe\r\n\r\n', 'answer'],
    ['two lengths', `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`, 'answer'],
    ['a length and chunks', `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 'answer'],
    ['invalid chunks', `${OK}Transfer-Encoding: chunked\r\n\r\nhello\r\n`, 'answer'],
    [
      'another protocol, agreed to',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
      'connection',
    ],
  ])('%s', async (_what, bytes, failure) => {
    expect(await answeredBy(bytes)).toMatchObject({ failure, answer: undefined });
  });

  test.each<[how: string, bytes: string, end: (socket: Socket) => void]>([
    ['ended before the answer', '', (socket) => socket.end()],
    ['reset before the answer', '', (socket) => socket.resetAndDestroy()],
    ['ended within the headers', `${OK}Content-`, (socket) => socket.end()],
    ['ended within the body', `${OK}Content-Length: 100\r\n\r\nhalf`, (socket) => socket.end()],
    [
      'reset within the body',
      `${OK}Content-Length: 100\r\n\r\nhalf`,
      (socket) => setImmediate(() => socket.resetAndDestroy()),
    ],
    ['ended within a chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n64\r\nhalf`, (socket) => socket.end()],
  ])('a connection that is %s', async (_how, bytes, end) => {
    const sent = await answeredBy(bytes, end);
    expect(sent).toMatchObject({ failure: 'connection', answer: undefined });
    expect(sent.detail).not.toContain('half');
  });

  test("the server's own text is in no detail", async () => {
    const sent = await answeredBy('220 mail.inside.example ESMTP secret\r\n');
    expect(JSON.stringify(sent)).not.toMatch(/mail\.inside|secret|ESMTP/);
  });
});

describe('servers of HTTP/1.0', () => {
  test.each([
    ['whose answer ends with the connection', 'HTTP/1.0 200 OK\r\n\r\nhello'],
    ['with a length', 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
  ])('%s are answered, each time on a connection of its own', async (_kind, bytes) => {
    let connections = 0;
    const seen = new WeakSet<Socket>();
    const url = await openTcpServer((socket) => {
      if (!seen.has(socket)) connections++;
      seen.add(socket);
      socket.end(bytes);
    });
    const sender = testSender({ loopback: true });
    for (let round = 0; round < 3; round++)
      expect((await sender.send(post(url))).answer).toMatchObject({ status: 200, body: 'hello' });
    expect(connections).toBe(3);
  });

  test('with keep-alive keep the connection', async () => {
    const url = await openTcpServer((socket, piece) => {
      // A request sometimes arrives in two pieces. Its body is not a request.
      if (!piece.startsWith('POST ')) return;
      socket.write('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi');
    });
    const sender = testSender({ loopback: true });
    for (let round = 0; round < 3; round++) expect((await sender.send(post(url))).answer).toMatchObject({ body: 'hi' });
    expect(sender.metrics).toMatchObject({ open: 1, idle: 1 });
  });
});

test('an unsolicited answer is never used for the next request', async () => {
  let asked = 0;
  const url = await openTcpServer((socket, piece) => {
    // A request sometimes arrives in two pieces. Its body is not a request.
    if (!piece.startsWith('POST ')) return;
    const body = String(++asked);
    const poison = `${OK}Content-Length: 8\r\n\r\npoisoned`;
    socket.write(`${OK}Content-Length: ${body.length}\r\n\r\n${body}${poison}`);
  });
  const sender = testSender({ loopback: true, connectionsPerHostMax: 1 });
  const sent = await Promise.all([1, 2, 3].map(() => sender.send(post(url))));
  expect(sent.map(({ answer }) => answer?.body)).toEqual(['1', '2', '3']);
});

test('a request that cannot be written as HTTP is not sent, and affects no other request', async () => {
  const { url } = await openWebServer((_request, response) => response.end('fine'));
  const sender = testSender({ loopback: true });
  for (const headers of [{ 'x-a': 'a\r\nx-b: c' }, { 'x a': 'b' }, { 'x-a': '€' }, { 'transfer-encoding': 'chunked' }])
    expect(await sender.send(post(url, { headers }))).toMatchObject({ failure: 'request', answer: undefined });
  expect((await sender.send(post(url))).answer?.body).toBe('fine');
  expect(sender.metrics.waiting).toBe(0);
});

function connectionsOf(server: {
  getConnections(done: (error: Error | null, count: number) => void): unknown;
}): Promise<number> {
  return new Promise((resolve) => void server.getConnections((_error, count) => resolve(count)));
}
