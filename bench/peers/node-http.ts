// A bare node:http server. It is the baseline for requests per second: a POST that parses JSON, a
// GET that answers 304. It is also the shortest program that serves event streams.
import { startNodeServer } from './node-server.ts';
import type { Peer } from './peer.ts';

export const nodeHttp: Peer = {
  name: 'node:http',
  unavailable: () => undefined,
  version: () => `Node ${process.versions.node}`,
  start: () => startNodeServer('node-http.ts'),
  subscribeOptions: (transport) => (transport === 'sse' ? { subscribePath: '/events/{c}' } : undefined),
  publishOptions: () => ({ publishPath: '/publish/{c}', publishHeader: 'Content-Type: application/json' }),
};

/** As long as the hub's own, so that both read and write the same number of bytes. */
export const nodeHttpEntityTag = 'W/"0000000000-00000000042"';
