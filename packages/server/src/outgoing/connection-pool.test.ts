import type { RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { openTcpServer, openWebServer } from '../testing/test-servers.ts';
import { post, testSender } from './testing/test-sender.ts';

/** A site that answers when the test says so, and counts its open connections. */
async function heldSite(): Promise<{
  url: string;
  held: { path: string; response: ServerResponse }[];
  open(): number;
}> {
  const held: { path: string; response: ServerResponse }[] = [];
  const sockets = new Set<Socket>();
  const listener: RequestListener = (request, response) => {
    request.resume();
    held.push({ path: request.url ?? '', response });
  };
  const { url, server } = await openWebServer(listener);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return { url, held, open: () => sockets.size };
}

/** A request sometimes arrives in two pieces. The second one is its body. */
function isRequest(piece: string): boolean {
  return piece.startsWith('POST ');
}

function answerAll(held: { response: ServerResponse }[]): void {
  for (const { response } of held.splice(0)) response.end();
}

describe('to one host', () => {
  test('connections are bounded; further requests wait, and their deadline starts after the wait', async () => {
    const { url, held, open } = await heldSite();
    const sender = testSender({ loopback: true, connectionsPerHostMax: 3 });
    const sending = Array.from({ length: 9 }, () => sender.send(post(url, { timeoutMs: 60_000 })));
    for (let round = 0; round < 3; round++) {
      await expect.poll(() => held.length).toBe(3);
      expect(open()).toBe(3);
      expect(sender.metrics).toEqual({ open: 3, idle: 0, waiting: 6 - 3 * round });
      answerAll(held);
    }
    for (const { answer } of await Promise.all(sending)) expect(answer?.status).toBe(200);
    expect(sender.metrics).toEqual({ open: 3, idle: 3, waiting: 0 });
  });

  test('waiting requests of several URLs take turns', async () => {
    const { url, held } = await heldSite();
    const sender = testSender({ loopback: true, connectionsPerHostMax: 1 });
    for (const path of ['/a', '/a', '/a', '/a', '/b', '/c', '/b']) void sender.send(post(url + path));
    const order: string[] = [];
    while (order.length < 7) {
      await expect.poll(() => held.length).toBe(1);
      order.push(held[0]?.path ?? '');
      answerAll(held);
    }
    expect(order).toEqual(['/a', '/a', '/b', '/c', '/a', '/b', '/a']);
  });

  test('requests that hang occupy their own places, and no more', async () => {
    const { url, held } = await heldSite();
    const sender = testSender({ loopback: true, connectionsPerHostMax: 2 });
    const hanging = sender.send(post(`${url}/hangs`, { timeoutMs: 2000 }));
    await expect.poll(() => held.length).toBe(1);
    held.splice(0);
    for (let round = 0; round < 5; round++) {
      const sent = sender.send(post(`${url}/fine`));
      await expect.poll(() => held.length).toBe(1);
      answerAll(held);
      expect((await sent).answer?.status).toBe(200);
    }
    expect((await hanging).failure).toBe('timeout');
  });
});

describe('to all hosts', () => {
  test('an idle connection is closed for another host', async () => {
    const one = await openWebServer((_request, response) => response.end());
    const two = await openWebServer((_request, response) => response.end());
    const three = await openWebServer((_request, response) => response.end());
    const sender = testSender({ loopback: true, connectionsMax: 2 });
    for (const { url } of [one, two, three, one, three])
      expect((await sender.send(post(url))).answer?.status).toBe(200);
    expect(sender.metrics).toEqual({ open: 2, idle: 2, waiting: 0 });
  });

  test('hosts take turns when all connections are in use', async () => {
    const busy = await heldSite();
    const other = await heldSite();
    const sender = testSender({ loopback: true, connectionsMax: 1 });
    for (let count = 0; count < 4; count++) void sender.send(post(`${busy.url}/${count}`));
    for (let count = 0; count < 2; count++) void sender.send(post(`${other.url}/${count}`));
    const order: string[] = [];
    while (order.length < 6) {
      await expect.poll(() => busy.held.length + other.held.length).toBe(1);
      order.push(busy.held.length > 0 ? 'busy' : 'other');
      answerAll(busy.held);
      answerAll(other.held);
    }
    expect(order.slice(0, 5).filter((host) => host === 'other')).toHaveLength(2);
    await expect.poll(() => sender.metrics).toEqual({ open: 1, idle: 1, waiting: 0 });
  });

  test("a host's entry is removed with its last connection", async () => {
    const { url, server } = await openWebServer((_request, response) => response.end());
    const sender = testSender({ loopback: true });
    await sender.send(post(url));
    server.closeAllConnections();
    await expect.poll(() => sender.metrics).toEqual({ open: 0, idle: 0, waiting: 0 });
  });
});

describe('an idle connection that the server has closed', () => {
  /**
   * Answers the first request of each connection, and closes the connection on the second. With
   * `closesAtOnce` it closes on the first.
   */
  async function forgetful(closesAtOnce: boolean): Promise<{ url: string; requests: string[] }> {
    const requests: string[] = [];
    const before = new WeakSet<Socket>();
    const url = await openTcpServer((socket, piece) => {
      if (!isRequest(piece)) return;
      requests.push(piece.split(' ')[1] ?? '');
      if (before.has(socket) || closesAtOnce) return socket.destroy();
      before.add(socket);
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
    return { url, requests };
  }

  test('fails no request: the request is sent again on a new one, within the same deadline', async () => {
    const { url, requests } = await forgetful(false);
    const sender = testSender({ loopback: true });
    expect((await sender.send(post(`${url}/1`))).answer?.status).toBe(200);
    const sent = await sender.send(post(`${url}/2`));
    expect(sent.answer?.status).toBe(200);
    expect(sent.timing.connectMs).toBeGreaterThan(0);
    expect(requests).toEqual(['/1', '/2', '/2']);
    expect(sender.metrics).toMatchObject({ open: 1, waiting: 0 });
  });

  test('is not assumed if it was new', async () => {
    const { url, requests } = await forgetful(true);
    const sent = await testSender({ loopback: true }).send(post(`${url}/1`));
    expect(sent).toMatchObject({ failure: 'connection', answer: undefined });
    expect(requests).toEqual(['/1']);
  });

  test('and a new one that closes as well are a failure', async () => {
    let isDown = false;
    const requests: string[] = [];
    const url = await openTcpServer((socket, piece) => {
      if (!isRequest(piece)) return;
      requests.push(piece.split(' ')[1] ?? '');
      if (isDown) socket.destroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
    const sender = testSender({ loopback: true });
    await sender.send(post(`${url}/1`));
    isDown = true;
    expect(await sender.send(post(`${url}/2`))).toMatchObject({ failure: 'connection' });
    expect(requests).toEqual(['/1', '/2', '/2']);
  });
});

test('when the hub stops, all requests in flight or waiting fail', async () => {
  const { url, held } = await heldSite();
  const sender = testSender({ loopback: true, connectionsPerHostMax: 2 });
  const sending = Array.from({ length: 5 }, () => sender.send(post(url)));
  await expect.poll(() => held.length).toBe(2);
  await sender.close();
  for (const sent of await Promise.all(sending))
    expect(sent).toMatchObject({ failure: 'connection', answer: undefined });
  expect(sender.metrics).toEqual({ open: 0, idle: 0, waiting: 0 });
  expect((await sender.send(post(url))).failure).toBe('connection');
});
