// Socket.IO 4 on Node, WebSocket transport only; see servers/socket-io.ts for its settings.
import { packageMissing, packageVersion, startNodeServer } from './node-server.ts';
import type { Peer } from './peer.ts';

export const socketIo: Peer = {
  name: 'socket.io',
  unavailable: () => packageMissing('socket.io'),
  version: () => packageVersion('socket.io'),
  start: () => startNodeServer('socket-io.ts'),
  subscribeOptions: (transport) =>
    transport === 'sse'
      ? undefined
      : {
          subscribePath: '/socket.io/?EIO=4&transport=websocket&channel={c}',
          // The namespace's connect packet, without which the server sends no event.
          firstFrame: '40',
        },
  publishOptions: () => ({ publishPath: '/publish/{c}', publishHeader: 'Content-Type: application/json' }),
};
