import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { passRequest } from './pass.ts';

/**
 * Its idle connections look as if they were closed at the moment of their next use: a second
 * request on a connection ends it.
 */
let service: Server;
let front: Server;
let url: string;
const used = new Set<Socket>();
let answered: string[] = [];

beforeAll(async () => {
  service = createServer((request, response) => {
    if (used.has(request.socket)) return void request.socket.destroy();
    used.add(request.socket);
    answered.push(request.method ?? '');
    request.resume().on('end', () => response.writeHead(201).end('made'));
  });
  const target = await listen(service);
  front = createServer((request, response) => passRequest(request, response, target));
  url = await listen(front);
});

afterAll(() => {
  for (const server of [front, service]) {
    server.closeAllConnections();
    server.close();
  }
});

beforeEach(() => {
  answered = [];
});

test.for(['POST', 'PUT', 'PATCH', 'DELETE'])('%s requests never meet a connection that closes', async (method) => {
  const order = { method, body: 'order' };
  for (let number = 0; number < 3; number++) {
    const answer = await fetch(url, order);
    expect([answer.status, await answer.text()]).toEqual([201, 'made']);
  }
  expect(answered).toEqual([method, method, method]);
});

test('GET requests whose connection closes are sent again', async () => {
  for (let number = 0; number < 3; number++) {
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([201, 'made']);
  }
  expect(answered).toEqual(['GET', 'GET', 'GET']);
});

test('the connection of a client stays open when that to the service ends', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const isReused: boolean[] = [];
  for (const method of ['POST', 'GET', 'POST']) {
    const sent = request(url, { method, agent }).end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    await answer.toArray();
    isReused.push(sent.reusedSocket);
  }
  expect(isReused).toEqual([false, true, true]);
  agent.destroy();
});

test('a service that is away is a bad gateway', async () => {
  const away = createServer((request, response) => passRequest(request, response, 'http://127.0.0.1:1'));
  const answer = await fetch(await listen(away), { method: 'POST', body: 'order' });
  expect(answer.status).toBe(502);
  await answer.text();
  away.closeAllConnections();
  away.close();
});

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
