import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { onTestFinished } from 'vitest';

/** A CONNECT request as the proxy received it. */
export interface ConnectRequest {
  readonly authority: string | undefined;
  readonly credentials: string | undefined;
}

/** A proxy that connects every tunnel to one port of this machine, whatever target is requested. */
export async function proxyTo(port: number): Promise<{ readonly proxy: string; readonly asked: ConnectRequest[] }> {
  const asked: ConnectRequest[] = [];
  const tunnels = new Set<Duplex>();
  const server = createServer((_request, response) => response.writeHead(400).end());
  server.on('connect', (request, client: Duplex) => {
    asked.push({ authority: request.url, credentials: request.headers['proxy-authorization'] });
    const beyond: Socket = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n');
      beyond.pipe(client).pipe(beyond);
    });
    for (const socket of [beyond, client]) socket.on('error', () => client.destroy());
    tunnels.add(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const tunnel of tunnels) tunnel.destroy();
    server.close();
  });
  return { proxy: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
