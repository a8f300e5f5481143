// Centrifugo 6: one process, memory engine, unidirectional SSE and WebSocket.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder } from '../harness/folders.ts';
import { acceptsConnections, freePort, serverCore, startPinned, waitUntilReady } from '../harness/processes.ts';
import { goBinary, goBinaryMissing, goVersion } from './go-build.ts';
import type { Peer } from './peer.ts';

const module = 'github.com/centrifugal/centrifugo/v6@latest';
const connectCommand = encodeURIComponent(JSON.stringify({ subs: { 'bench-CHANNEL': {} } })).replace('CHANNEL', '{c}');

export const centrifugo: Peer = {
  name: 'centrifugo',
  unavailable: () => goBinaryMissing('centrifugo', module),
  version: () => goVersion('centrifugo'),
  start: async () => {
    const port = await freePort();
    const file = join(freshFolder('centrifugo'), 'config.json');
    writeFileSync(file, JSON.stringify(configuration(port)));
    const process = startPinned([goBinary('centrifugo'), '--config', file], {
      core: serverCore,
      environment: { GOMAXPROCS: '1' },
    });
    await waitUntilReady(process, () => acceptsConnections(port));
    return { port, process };
  },
  subscribeOptions: (transport) =>
    transport === 'sse'
      ? { subscribePath: `/connection/uni_sse?cf_connect=${connectCommand}` }
      : { subscribePath: `/connection/uni_websocket?cf_connect=${connectCommand}` },
  publishOptions: () => ({
    publishPath: '/api/publish',
    publishHeader: 'Content-Type: application/json',
    publishBody: '{"channel":"bench-{c}","data":{e}}',
  }),
};

// No token, no history, no presence: the least work per event.
function configuration(port: number): object {
  return {
    http_server: { address: '127.0.0.1', port: String(port) },
    http_api: { insecure: true },
    client: { insecure: true, allowed_origins: ['*'] },
    uni_sse: { enabled: true },
    uni_websocket: { enabled: true },
    channel: { without_namespace: { allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true } },
    log: { level: 'error' },
  };
}
