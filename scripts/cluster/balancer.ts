import {
  createServer,
  request as sendRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * A load balancer for hubs on this machine. It asks each hub's `/readyz`, and sends every request
 * to the next ready hub: no client stays with a hub. Example: with the hubs A, B and C, the fourth
 * request goes to A again.
 */
export interface Balancer {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  /** The requests that each hub has received, in the order of `targets`. */
  readonly counts: readonly number[];
  close(): Promise<void>;
}

export interface BalancerOptions {
  /** 0: a free port. */
  readonly port: number;
  /** The ports of the hubs on 127.0.0.1. */
  readonly targets: readonly number[];
  /** Answers a request itself, and returns true. Returns false for a request to a hub. */
  readonly answer?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** The interval of the question whether a hub is ready, and its deadline. */
const CHECK_INTERVAL_MS = 250;
const CHECK_TIMEOUT_MS = 2_000;
/** What the balancer and Node decide for each connection. */
const HOP_HEADERS: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding']);

export async function startBalancer(options: BalancerOptions): Promise<Balancer> {
  const hubs = new Hubs(options.targets);
  const server = createServer((request, response) => {
    if (options.answer?.(request, response) === true) return;
    forward(hubs, request, response);
  });
  server.on('upgrade', (request, socket, head) => forwardUpgrade(hubs, request, socket, head));
  await listen(server, options.port);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    counts: hubs.counts,
    async close() {
      hubs.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The hubs, and which of them are ready. */
class Hubs {
  readonly counts: number[];
  readonly #targets: readonly number[];
  readonly #ready: boolean[];
  /** The hubs that have not answered yet whether they are ready. */
  readonly #asked = new Set<number>();
  readonly #timer: NodeJS.Timeout;
  #next = 0;

  constructor(targets: readonly number[]) {
    this.#targets = targets;
    this.counts = targets.map(() => 0);
    // Until the first answers, a connection tells.
    this.#ready = targets.map(() => true);
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
  }

  /** The ports to try, each once: the next ready hub first. */
  take(): number[] {
    const order = this.#targets.map((_, index) => (this.#next + index) % this.#targets.length);
    const ready = order.filter((index) => this.#ready[index]);
    this.#next = ((ready[0] ?? this.#next) + 1) % this.#targets.length;
    return ready.map((index) => this.#targets[index] as number);
  }

  onConnected(port: number): void {
    const index = this.#targets.indexOf(port);
    this.counts[index] = (this.counts[index] ?? 0) + 1;
  }

  onRefused(port: number): void {
    this.#ready[this.#targets.indexOf(port)] = false;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    for (const [index, port] of this.#targets.entries()) {
      if (this.#asked.has(index)) continue;
      this.#asked.add(index);
      const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
      void fetch(`http://127.0.0.1:${port}/readyz`, { signal })
        .then(
          ({ ok }) => (this.#ready[index] = ok),
          () => (this.#ready[index] = false),
        )
        .finally(() => this.#asked.delete(index));
    }
  }
}

/**
 * Connects to the first hub that accepts, while the client is there.
 * A hub that refuses has received nothing.
 */
function connectToHub(
  hubs: Hubs,
  client: { readonly destroyed: boolean },
  onConnected: (socket: Socket) => void,
  onNone: () => void,
): void {
  const ports = hubs.take();
  const tryNext = (): void => {
    if (client.destroyed) return;
    const port = ports.shift();
    if (port === undefined) return onNone();
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const onRefused = (): void => {
      hubs.onRefused(port);
      tryNext();
    };
    socket.once('error', onRefused);
    socket.once('connect', () => {
      socket.off('error', onRefused);
      if (client.destroyed) return void socket.destroy();
      hubs.onConnected(port);
      onConnected(socket);
    });
  };
  tryNext();
}

function forward(hubs: Hubs, request: IncomingMessage, response: ServerResponse): void {
  const onConnected = (socket: Socket): void => {
    const sent = sendRequest({
      method: request.method,
      path: request.url,
      headers: endToEnd(request.rawHeaders),
      setHost: false,
      createConnection: () => socket,
    });
    // A hub that dies ends the connections of its clients.
    sent.on('error', () => response.destroy());
    sent.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer.rawHeaders) as string[]);
      response.flushHeaders();
      answer.on('error', () => response.destroy());
      answer.pipe(response);
    });
    response.on('close', () => sent.destroy());
    request.pipe(sent);
  };
  connectToHub(hubs, response, onConnected, () => {
    response.writeHead(503, { 'retry-after': '1', 'content-length': '0' }).end();
  });
}

/** A WebSocket: the bytes of both sides, unchanged. */
function forwardUpgrade(hubs: Hubs, request: IncomingMessage, client: Duplex, head: Buffer): void {
  client.on('error', () => client.destroy());
  const onConnected = (hub: Socket): void => {
    hub.on('error', () => client.destroy());
    hub.on('close', () => client.destroy());
    client.on('close', () => hub.destroy());
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    const { rawHeaders } = request;
    for (let index = 0; index < rawHeaders.length; index += 2)
      lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`);
    hub.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    hub.write(head);
    hub.pipe(client).pipe(hub);
  };
  connectToHub(hubs, client, onConnected, () =>
    client.end('HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'),
  );
}

/** Names and values in turn, without the headers of one connection. */
function endToEnd(raw: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let index = 0; index < raw.length; index += 2)
    if (!HOP_HEADERS.has(raw[index]?.toLowerCase() ?? '')) kept.push(raw[index] ?? '', raw[index + 1] ?? '');
  return kept;
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
}
