import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A request as the site received it. */
export interface ReceivedRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
}

export type Behaviour = (asked: ReceivedRequest, response: ServerResponse) => unknown;

/**
 * A small real HTTP server. Its behaviour is one function, which a test may replace. A value that
 * the function returns is sent as JSON.
 */
export interface TestSite {
  readonly url: string;
  readonly requests: readonly ReceivedRequest[];
  /** The highest number of requests in flight. */
  readonly concurrentMax: number;
  /** Connections opened so far. */
  readonly connections: number;
  behave: Behaviour;
  close(): Promise<void>;
}

export async function openSite(behave: Behaviour): Promise<TestSite> {
  const requests: ReceivedRequest[] = [];
  const sockets = new Set<Socket>();
  let concurrent = 0;
  let concurrentMax = 0;
  let connections = 0;
  const server = createServer(async (request, response) => {
    concurrentMax = Math.max(concurrentMax, ++concurrent);
    response.on('close', () => concurrent--);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const one = {
      path: request.url ?? '',
      headers: request.headers,
      body: JSON.parse(Buffer.concat(chunks).toString()) as ReceivedRequest['body'],
    };
    requests.push(one);
    const answer = await site.behave(one, response);
    if (answer !== undefined && !response.writableEnded)
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer));
  });
  // A connection is not new because the machine stood still before it was used again.
  server.keepAliveTimeout = 120_000;
  server.on('connection', (socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const site: TestSite = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    behave,
    get concurrentMax() {
      return concurrentMax;
    },
    get connections() {
      return connections;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return site;
}

/** Identifies users by their session cookie: `user-7` is user 7's. */
export function answersBySession(ttlSeconds: number): Behaviour {
  return ({ body }) => {
    const cookies = body['cookies'] as Readonly<Record<string, string>>;
    const user = /^user-(.+)$/.exec(cookies['session'] ?? '')?.[1];
    return user === undefined ? { user: null } : { user, ttlSeconds };
  };
}
