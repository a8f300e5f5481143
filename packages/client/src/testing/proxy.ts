import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A proxy between a client and a hub, with the faults of real ones. */
export interface Proxy {
  readonly url: string;
  /** The URL of the hub behind it. */
  target: string;
  /** WebSocket upgrades are refused. */
  blocksWebSockets: boolean;
  /** WebSocket upgrades are accepted and never answered. */
  swallowsWebSockets: boolean;
  /** Bodies are forwarded only when they are complete: an event stream never is. */
  buffers: boolean;
  /** Nothing is forwarded any more, and nothing is closed. */
  stalls: boolean;
  /** The next publish request is forwarded, but its answer is not. */
  losesNextAnswer: boolean;
  /** Its own answer at `/test-page`. */
  page: string;
  /** All requests so far, `GET /v1/events`, upgrades as `UPGRADE`. */
  readonly requests: string[];
  /** The number of open WebSockets and event streams. */
  streams(): number;
  /** Cuts all connections. */
  cut(): void;
}

/** Starts a proxy in front of a hub, for the faults that no hub has. */
export async function startProxy(target: string): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let streams = 0;
  const proxy = {
    target,
    blocksWebSockets: false,
    swallowsWebSockets: false,
    buffers: false,
    stalls: false,
    losesNextAnswer: false,
    page: '',
    requests: [] as string[],
    url: '',
    streams: () => streams,
    cut,
  };
  const server = createServer(pass);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
  });
  server.on('upgrade', upgrade);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => {
    cut();
    server.close();
  });
  return proxy;

  function cut(): void {
    for (const socket of sockets) socket.destroy();
  }

  function pass(request: IncomingMessage, response: ServerResponse): void {
    if (request.url === '/test-page') return void response.setHeader('Content-Type', 'text/html').end(proxy.page);
    proxy.requests.push(`${request.method} ${request.url}`);
    const loses = proxy.losesNextAnswer && request.method === 'POST';
    if (loses) proxy.losesNextAnswer = false;
    const passed = forward(
      new URL(request.url as string, proxy.target),
      { method: request.method, headers: request.headers },
      (answer) => {
        if (loses) {
          answer.resume().on('end', () => request.socket.destroy());
          return;
        }
        const isStream = answer.headers['content-type']?.startsWith('text/event-stream') === true;
        if (isStream) streams++;
        answer.on('close', () => isStream && streams--);
        answer.on('error', () => response.destroy());
        response.writeHead(answer.statusCode as number, answer.headers);
        response.flushHeaders();
        if (proxy.buffers)
          return void answer.toArray().then(
            (pieces) => response.end(Buffer.concat(pieces as Buffer[])),
            () => response.destroy(),
          );
        answer.on('data', (piece: Buffer) => proxy.stalls || response.write(piece)).on('end', () => response.end());
      },
    );
    passed.on('error', () => request.socket.destroy());
    request.pipe(passed);
    response.on('close', () => passed.destroy());
  }

  function upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    proxy.requests.push(`UPGRADE ${request.url}`);
    if (proxy.blocksWebSockets) return void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    if (proxy.swallowsWebSockets) return;
    const { hostname, port } = new URL(proxy.target);
    let isOpen = false;
    const hub = connect(Number(port), hostname, () => {
      isOpen = true;
      const headers = request.rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('');
      hub.write(`GET ${request.url} HTTP/1.1\r\n${headers}\r\n`);
      hub.write(head);
      streams++;
    });
    hub.on('data', (piece) => proxy.stalls || socket.write(piece));
    socket.on('data', (piece) => hub.write(piece));
    hub.on('close', () => socket.destroy()).on('error', () => socket.destroy());
    socket.on('close', () => {
      if (isOpen) streams--;
      hub.destroy();
    });
  }
}
