import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

const HEADER_BYTES_MAX = 256 * 1024;

/**
 * A balancer that sends each request to the next hub, also those of one connection. Example: a
 * client publishes at hub A, and reads the channel at hub B and then at hub C.
 */
export class Balancer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #hubs: readonly URL[];
  readonly #before: (hub: string) => Promise<unknown>;
  #count = 0;

  private constructor(hubs: readonly string[], before: (hub: string) => Promise<unknown>) {
    this.#hubs = hubs.map((hub) => new URL(hub));
    this.#before = before;
    const options = { requireHostHeader: false, maxHeaderSize: HEADER_BYTES_MAX };
    this.#server = createServer(options, (incoming, outgoing) => void this.#forward(incoming, outgoing));
    this.#server.on('connection', (socket: Socket) => this.#track(socket));
    this.#server.on(
      'upgrade',
      (incoming: IncomingMessage, socket: Socket, head: Buffer) => void this.#upgrade(incoming, socket, head),
    );
  }

  /** @param before is called with the hub of a request, which waits for its result */
  static async start(
    hubs: readonly string[],
    before: (hub: string) => Promise<unknown> = async () => undefined,
  ): Promise<Balancer> {
    const balancer = new Balancer(hubs, before);
    balancer.#server.listen(0, '127.0.0.1');
    await once(balancer.#server, 'listening');
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends all connections. New ones are accepted. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }

  async #forward(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { hostname, port } = await this.#next();
    if (outgoing.destroyed) return;
    const { method, url: path, rawHeaders: headers } = incoming;
    const to = { hostname, port, method, path, headers, setHost: false, agent: false };
    const forwarded = request({ ...to, maxHeaderSize: HEADER_BYTES_MAX });
    forwarded.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode as number, answer.statusMessage, answer.rawHeaders);
      flush(outgoing, answer.rawHeaders);
      answer.pipe(outgoing);
      answer.on('aborted', () => outgoing.destroy());
    });
    forwarded.on('error', () => outgoing.destroy());
    outgoing.on('close', () => forwarded.destroy());
    flush(forwarded, headers);
    incoming.pipe(forwarded);
  }

  async #upgrade({ method, url, rawHeaders }: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const { hostname, port } = await this.#next();
    if (socket.destroyed) return;
    const lines = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]}`] : []));
    const upstream = connect(Number(port), hostname, () => {
      upstream.write(`${[`${method} ${url} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`);
      upstream.write(head);
      upstream.pipe(socket);
      socket.pipe(upstream);
    });
    this.#track(upstream);
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const)
      one.on('close', () => other.destroy());
  }

  async #next(): Promise<URL> {
    const hub = this.#hubs[this.#count++ % this.#hubs.length] as URL;
    await this.#before(hub.origin);
    return hub;
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

/** Sends headers before the body. Node.js would encode characters beyond ASCII twice. */
function flush(message: { flushHeaders(): void }, headers: readonly string[]): void {
  if (/^[\x20-\x7e]*$/.test(headers.join(''))) message.flushHeaders();
}
