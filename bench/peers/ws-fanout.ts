// The shortest program with `ws`: a set of sockets for each channel, and `send` to each of them.
import { packageMissing, packageVersion, startNodeServer } from './node-server.ts';
import type { Peer } from './peer.ts';

export const wsFanout: Peer = {
  name: 'ws',
  unavailable: () => packageMissing('ws'),
  version: () => packageVersion('ws'),
  start: () => startNodeServer('ws-fanout.ts'),
  subscribeOptions: (transport) => (transport === 'sse' ? undefined : { subscribePath: '/?channel={c}' }),
  publishOptions: () => ({ publishPath: '/publish/{c}', publishHeader: 'Content-Type: application/json' }),
};
