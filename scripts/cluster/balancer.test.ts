import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { startBalancer, type Balancer, type BalancerOptions } from './balancer.ts';

/** Three servers, each of which answers with its number, and `/readyz` as `isReady` says. */
let servers: Server[];
let isReady: boolean;
/** How often each server was asked whether it is ready. */
let questions: [number, number, number];

beforeEach(async () => {
  isReady = true;
  questions = [0, 0, 0];
  servers = await Promise.all(([0, 1, 2] as const).map(startServer));
});

async function startServer(number: 0 | 1 | 2): Promise<Server> {
  const server = createServer(({ url }, response) => {
    if (url !== '/readyz') return void response.end(`${number}`);
    questions[number]++;
    response.writeHead(isReady ? 200 : 503).end();
  });
  server.on('upgrade', (_request, socket) => {
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n`);
    socket.on('error', () => socket.destroy()).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => stop(server));
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function stop(server: Server): void {
  server.closeAllConnections();
  server.close();
}

async function open(options: Partial<BalancerOptions> = {}): Promise<Balancer> {
  const balancer = await startBalancer({ port: 0, targets: servers.map(portOf), ...options });
  onTestFinished(() => balancer.close());
  return balancer;
}

async function ask({ url }: Balancer, path = '/'): Promise<string> {
  const answer = await fetch(url + path);
  return answer.ok ? answer.text() : `${answer.status}`;
}

/** Opens a connection that echoes what it gets. */
async function openEcho({ port }: Balancer): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.setEncoding('utf8').write('GET / HTTP/1.1\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
  expect(await once(socket, 'data')).toEqual([expect.stringContaining('101 Switching Protocols')]);
  return socket;
}

test('sends each request of a connection to the next hub, and calls `before` with its port', async () => {
  const ports: number[] = [];
  const balancer = await open({ before: async (port) => ports.push(port) });
  for (const expected of ['0', '1', '2', '0']) expect(await ask(balancer)).toBe(expected);
  expect(balancer.counts).toEqual([2, 1, 1]);
  const [first = 0, ...others] = servers.map(portOf);
  expect(ports).toEqual([first, ...others, first]);
});

test('a request for a dead hub goes to the next one, and without any hub it gets 503', async () => {
  const balancer = await open();
  stop(servers[0] as Server);
  const answers = [await ask(balancer), await ask(balancer), await ask(balancer)];
  expect(answers.toSorted()).toEqual(['1', '1', '2']);
  for (const server of servers) stop(server);
  await vi.waitFor(async () => expect(await ask(balancer)).toBe('503'));
});

test('a request goes to a hub that says it is not ready, when no other one is', async () => {
  isReady = false;
  const balancer = await open();
  // The second question comes after the first answer.
  await vi.waitFor(() => expect(Math.min(...questions)).toBeGreaterThanOrEqual(2));
  expect([await ask(balancer), await ask(balancer)]).toEqual(['0', '1']);
});

test('an upgraded connection has the bytes of both sides, and `cut` ends it', async () => {
  const balancer = await open();
  const socket = await openEcho(balancer);
  socket.write('ping');
  expect(await once(socket, 'data')).toEqual(['ping']);
  balancer.cut();
  await once(socket, 'close');
  expect(await ask(balancer)).toBe('1');
});

test('answers itself what `answer` takes', async () => {
  const balancer = await open({
    answer: ({ url }, response) => {
      if (url === '/own') response.end('own');
      return url === '/own';
    },
  });
  expect([await ask(balancer, '/own'), await ask(balancer)]).toEqual(['own', '0']);
});
