import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A webhook's request, as the endpoint received it. */
export interface ReceivedDelivery {
  /** The path of the request, which identifies the subscription. */
  readonly path: string;
  readonly id: string;
  readonly channel: string;
  readonly payload: string;
  readonly atMs: number;
  /** Whether the answer was a success. */
  readonly isDone: boolean;
}

/** An endpoint with any behaviour: a function decides how each request is answered. */
export class Endpoint {
  readonly received: readonly ReceivedDelivery[];
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server, taken: ReceivedDelivery[]) {
    this.#server = server;
    this.received = taken;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param status of the answer; 0 for none at all */
  static async open(status: (path: string, payload: string) => number): Promise<Endpoint> {
    const received: ReceivedDelivery[] = [];
    // It closes no idle connection. After a pause it would close one with a request that it has
    // not read yet.
    const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const { id, channel, data } = JSON.parse(Buffer.concat(pieces).toString()) as {
          id: string;
          channel: string;
          data: string;
        };
        const path = request.url ?? '';
        const code = status(path, data);
        const isDone = code >= 200 && code < 300;
        received.push({ path, id, channel, payload: data, atMs: performance.now(), isDone });
        if (code === 0) request.socket.destroy();
        else response.writeHead(code).end();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Endpoint(server, received);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
