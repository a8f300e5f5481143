import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A webhook's request as it arrived. */
export interface ReceivedHook {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** An endpoint that accepts everything with 204. It is closed when the test ends. */
export async function receiveHooks(): Promise<{ readonly url: string; readonly received: readonly ReceivedHook[] }> {
  const received: ReceivedHook[] = [];
  const server = createServer((request, response) => {
    void request.toArray().then((pieces: Buffer[]) => {
      received.push({ headers: request.headers, body: Buffer.concat(pieces) });
      response.writeHead(204).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, received };
}
