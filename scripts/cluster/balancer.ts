import { once } from 'node:events';
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
 * to the next ready hub, also those of one connection: no client stays with a hub. Example: with
 * the hubs A, B and C, the fourth request goes to A again.
 */
export interface Balancer {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  /** The requests that each hub has received, in the order of `targets`. */
  readonly counts: readonly number[];
  /** Ends all connections. New ones are accepted. */
  cut(): void;
  close(): Promise<void>;
}

export interface BalancerOptions {
  /** 0: a free port. */
  readonly port: number;
  /** The ports of the hubs on 127.0.0.1. */
  readonly targets: readonly number[];
  /** Answers a request itself, and returns true. Returns false for a request to a hub. */
  readonly answer?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Called with the port of a hub. The request waits for the result. */
  readonly before?: (port: number) => Promise<unknown>;
}

/** The interval of the question whether a hub is ready, and its deadline. */
const CHECK_INTERVAL_MS = 250;
const CHECK_TIMEOUT_MS = 2_000;
/** More than a hub accepts: it refuses the request itself. */
const HEADER_BYTES_MAX = 256 * 1024;

export async function startBalancer({
  port: wanted,
  targets,
  answer = () => false,
  before,
}: BalancerOptions): Promise<Balancer> {
  const hubs = new Hubs(targets, before);
  const server = createServer({ requireHostHeader: false, maxHeaderSize: HEADER_BYTES_MAX }, (request, response) => {
    if (!answer(request, response)) void forward(hubs, request, response);
  });
  server.on('upgrade', (request, socket, head) => void forwardUpgrade(hubs, request, socket, head));
  const cut = trackSockets(server);
  server.listen(wanted, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    counts: hubs.counts,
    cut,
    async close() {
      hubs.close();
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
  };
}

/** Returns a function that ends all connections, also those that are no longer of HTTP. */
function trackSockets(server: Server): () => void {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

/** The hubs, and which of them are ready. */
class Hubs {
  readonly counts: number[];
  readonly #targets: readonly number[];
  readonly #before: BalancerOptions['before'];
  readonly #ready: boolean[];
  /** The hubs that have not answered yet whether they are ready. */
  readonly #asked = new Set<number>();
  readonly #timer: NodeJS.Timeout;
  #next = 0;

  constructor(targets: readonly number[], before: BalancerOptions['before']) {
    this.#targets = targets;
    this.#before = before;
    this.counts = targets.map(() => 0);
    // Until the first answers, a connection tells.
    this.#ready = targets.map(() => true);
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
  }

  /**
   * Connects to the next ready hub that accepts; `undefined`: none does. A hub that refuses has
   * received nothing.
   */
  async connect(): Promise<Socket | undefined> {
    for (const index of this.#take()) {
      const port = this.#targets[index] as number;
      await this.#before?.(port);
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      try {
        await once(socket, 'connect');
        this.counts[index] = (this.counts[index] ?? 0) + 1;
        return socket;
      } catch {
        this.#ready[index] = false;
      }
    }
    return undefined;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /**
   * The hubs to try, each once: the next ready one first. Without a ready one it is all of them:
   * on a machine that stands still, all are late to say that they are ready.
   */
  #take(): readonly number[] {
    const order = this.#targets.map((_, index) => (this.#next + index) % this.#targets.length);
    const ready = order.filter((index) => this.#ready[index]);
    const tried = ready.length > 0 ? ready : order;
    this.#next = ((tried[0] ?? this.#next) + 1) % this.#targets.length;
    return tried;
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

async function forward(hubs: Hubs, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const socket = await hubs.connect();
  if (socket === undefined) return void response.writeHead(503, { 'retry-after': '1', 'content-length': '0' }).end();
  // Each request has a connection of its own, which nobody uses after it.
  response.on('close', () => socket.destroy());
  if (response.destroyed) return void socket.destroy();
  const { method, url: path, rawHeaders: headers } = request;
  const createConnection = (): Socket => socket;
  const sent = sendRequest({
    method,
    path,
    headers,
    setHost: false,
    createConnection,
    maxHeaderSize: HEADER_BYTES_MAX,
  });
  // A hub that dies ends the connections of its clients.
  sent.on('error', () => response.destroy());
  sent.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.rawHeaders);
    flush(response, answer.rawHeaders);
    answer.on('error', () => response.destroy());
    answer.pipe(response);
  });
  flush(sent, headers);
  request.pipe(sent);
}

/** Sends headers before the body. Node.js would encode characters beyond ASCII twice. */
function flush(message: { flushHeaders(): void }, headers: readonly string[]): void {
  if (/^[\x20-\x7e]*$/.test(headers.join(''))) message.flushHeaders();
}

/** A WebSocket: the bytes of both sides, unchanged. */
async function forwardUpgrade(
  hubs: Hubs,
  { method, url, rawHeaders }: IncomingMessage,
  client: Duplex,
  head: Buffer,
): Promise<void> {
  client.on('error', () => client.destroy());
  const hub = await hubs.connect();
  if (hub === undefined) return void client.end(NO_HUB);
  hub.on('error', () => client.destroy());
  hub.on('close', () => client.destroy());
  client.on('close', () => hub.destroy());
  if (client.destroyed) return void hub.destroy();
  const lines = rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1]}`] : []));
  hub.write(`${[`${method} ${url} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`, 'latin1');
  hub.write(head);
  hub.pipe(client).pipe(hub);
}

const NO_HUB = 'HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n';
