import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** From the one that connects to the broker, or back. */
export type Direction = 'there' | 'back';

/**
 * The network between a hub, or a broker, and a broker. Example: `cut()` ends the hub's connection,
 * and new ones are refused until `heal()`.
 */
export class BrokerProxy {
  readonly #server: Server;
  readonly #pipes = new Set<Pipe>();
  /** Connections that have reached this proxy. */
  connections = 0;
  #isRefusing = false;
  #connectionsLeft = Infinity;
  readonly #held = new Set<Direction>();
  #delayMs = 0;

  private constructor(broker: URL) {
    this.#server = createServer((socket) => {
      this.connections++;
      if (this.#isRefusing || this.#connectionsLeft === 0) return void socket.destroy();
      const upstream = connect(Number(broker.port), broker.hostname);
      upstream.once('connect', () => void this.#connectionsLeft--);
      this.#join('there', socket, upstream);
      this.#join('back', upstream, socket);
    });
  }

  static async start(brokerUrl: string): Promise<BrokerProxy> {
    const proxy = new BrokerProxy(new URL(brokerUrl));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `nats://${this.host}`;
  }

  /** New connections are refused. Those that exist stay. */
  refuse(): void {
    this.#isRefusing = true;
  }

  /** This number of new connections reach the broker. Then they are refused. */
  refuseAfter(connections: number): void {
    this.#connectionsLeft = connections;
  }

  cut(): void {
    this.refuse();
    for (const pipe of this.#pipes) pipe.destroy();
  }

  /**
   * Holds the bytes of one direction, or of both. The connections stay, as behind a dead switch.
   */
  hold(...directions: readonly Direction[]): void {
    for (const direction of directions) this.#held.add(direction);
    this.#update();
  }

  /** Each piece of data arrives later by this time. */
  slow(delayMs: number): void {
    this.#delayMs = delayMs;
    this.#update();
  }

  heal(): void {
    this.#isRefusing = false;
    this.#connectionsLeft = Infinity;
    this.#held.clear();
    this.#delayMs = 0;
    this.#update();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #join(direction: Direction, from: Socket, to: Socket): void {
    const pipe = new Pipe(direction, from, to);
    this.#pipes.add(pipe);
    from.on('close', () => this.#pipes.delete(pipe));
    this.#update();
  }

  #update(): void {
    for (const pipe of this.#pipes) pipe.set(this.#held.has(pipe.direction), this.#delayMs);
  }
}

/** One direction of a connection. */
class Pipe {
  readonly direction: Direction;
  readonly #from: Socket;
  readonly #to: Socket;
  #delayMs = 0;
  /** Late data, in its order, and the time of the last piece. */
  readonly #waiting: Buffer[] = [];
  #lastMs = 0;

  constructor(direction: Direction, from: Socket, to: Socket) {
    this.direction = direction;
    this.#from = from;
    this.#to = to;
    from.on('data', (data: Buffer) => {
      const nowMs = performance.now();
      this.#lastMs = Math.max(this.#lastMs, nowMs + this.#delayMs);
      if (this.#lastMs <= nowMs && this.#waiting.length === 0) this.#write(data);
      else {
        this.#waiting.push(data);
        setTimeout(() => this.#write(this.#waiting.shift() as Buffer), this.#lastMs - nowMs);
      }
    });
    from.on('error', () => undefined);
    from.on('close', () => to.destroy());
  }

  set(isHeld: boolean, delayMs: number): void {
    this.#delayMs = delayMs;
    if (isHeld) this.#from.pause();
    else this.#from.resume();
  }

  destroy(): void {
    this.#from.destroy();
  }

  #write(data: Buffer): void {
    if (this.#to.writable) this.#to.write(data);
  }
}
