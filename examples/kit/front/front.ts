import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { passRequest, passUpgrade } from './pass.ts';
import { PageFiles } from './page-files.ts';
import { TrafficCounter, type Traffic } from './traffic-counter.ts';

/**
 * The front of an example is what nginx or Caddy is in production. It has the page, passes `/v1/`
 * on to the hub and other paths to services, so that a browser knows one origin alone. It is also
 * the network between a page and everything else, which a test can cut.
 */
export interface Front {
  readonly url: string;
  /** Ends all connections, and refuses new ones. */
  cut(): void;
  /** Accepts connections again. */
  mend(): Promise<void>;
  /** The requests that have come so far, of those that match. */
  traffic(matches?: (request: IncomingMessage) => boolean): Traffic;
  close(): void;
}

interface FrontSettings {
  /** The folder of the example. */
  readonly folder: string;
  /** `http://127.0.0.1:PORT`: where the front listens. */
  readonly site: string;
  readonly hub: string;
  readonly services: Readonly<Record<string, string>>;
  /** The service for each prefix of a path. */
  readonly routes: Readonly<Record<string, string>>;
}

/**
 * As nginx has it. With the 5 s of Node.js, a connection would end just when the next poll of
 * a client begins.
 */
const KEEP_ALIVE_MS = 75_000;
const HUB_PATHS = ['/v1/', '/client.js', '/client/', '/healthz'];

export async function startFront({ folder, site, hub, services, routes }: FrontSettings): Promise<Front> {
  const targets = [
    ...HUB_PATHS.map((prefix) => [prefix, hub] as const),
    ...Object.entries(routes).map(([prefix, service]) => [prefix, addressOf(services, service)] as const),
  ];
  const files = new PageFiles(folder);
  const counter = new TrafficCounter();
  const sockets = new Set<Socket>();
  const targetOf = ({ url = '/' }: IncomingMessage): string | undefined =>
    targets.find(([prefix]) => url.startsWith(prefix))?.[1];

  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    counter.begin(request, response);
    const target = targetOf(request);
    if (target === undefined) void files.answer(request, response);
    else passRequest(request, response, target);
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    counter.begin(request, socket);
    passUpgrade(request, socket, head, targetOf(request) ?? hub);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await listen();
  return { url: site, cut, mend, traffic: (matches) => counter.traffic(matches), close: cut };

  async function listen(): Promise<void> {
    server.listen(Number(new URL(site).port), '127.0.0.1');
    await once(server, 'listening');
  }

  function cut(): void {
    if (server.listening) server.close();
    for (const socket of sockets) socket.destroy();
  }

  async function mend(): Promise<void> {
    if (!server.listening) await listen();
  }
}

function addressOf(services: FrontSettings['services'], name: string): string {
  const address = services[name];
  if (address === undefined) throw new Error(`A route of the example names ${name}, which is no service that listens.`);
  return address;
}
