import { Agent, createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';

/**
 * Forwards everything between a cache and the hub unchanged, and counts the requests that reach the
 * hub.
 */
export interface CountingProxy {
  readonly port: number;
  /** Path and query of each request, in order. */
  readonly paths: string[];
  /** The delay before each request is passed on. */
  delayMs: number;
  close(): void;
}

export async function startCountingProxy(hubPort: number): Promise<CountingProxy> {
  const paths: string[] = [];
  const agent = new Agent({ keepAlive: true });
  const proxy = { port: 0, paths, delayMs: 0, close };
  const server = createServer((request, response) => {
    const { method = 'GET', url: path = '/', headers } = request;
    paths.push(path);
    const forwarded = httpRequest({ host: '127.0.0.1', port: hubPort, method, path, headers, agent }, (answer) => {
      response.writeHead(answer.statusCode as number, answer.rawHeaders);
      answer.pipe(response);
    });
    forwarded.on('error', () => response.destroy());
    response.on('close', () => forwarded.destroy());
    setTimeout(() => request.pipe(forwarded), proxy.delayMs);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.port = (server.address() as AddressInfo).port;
  return proxy;

  function close(): void {
    server.closeAllConnections();
    server.close();
    agent.destroy();
  }
}
