// The hub of a churn run, in a process of its own. argv is the data folder, the speed of time, and
// additional configuration as JSON.
import { getHeapStatistics } from 'node:v8';
import { parseConfig } from '../../packages/server/src/config/parse.ts';
import { openHub } from '../../packages/server/src/hub.ts';
import { fastWorld } from '../../packages/server/src/operate/world.ts';
import { loadHttpClient } from '../../packages/server/src/platform/http-client.ts';
import { checkInvariants } from '../check-invariants.ts';
import { SECRET } from './tokens.ts';

const [folder = '', speed = '1', more = '{}'] = process.argv.slice(2);
const config = parseConfig({
  listen: '127.0.0.1:0',
  access: 'loopback',
  data: folder,
  defaults: { historyAgeMaxSeconds: 1800 },
  rules: [{ pattern: 'room.>', presence: ['anyone'] }],
  storage: { retentionIntervalMs: 50 },
  identity: { tokens: [{ keys: [{ algorithm: 'HS256', secret: SECRET }] }] },
  logging: { level: 'error', format: 'json' },
  ...(JSON.parse(more) as object),
});
checkInvariants();
// The first webhook would load it. Its memory is not that of a subscription.
await loadHttpClient();
const hub = await openHub(config, { world: fastWorld(Number(speed)) });
process.send?.({ port: hub.port });
process.on('message', (message) => {
  if (message === 'memory') {
    globalThis.gc?.();
    const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
    const { total_physical_size: heap } = getHeapStatistics();
    process.send?.({ memory: { rss, heapUsed, heap, external, arrayBuffers } });
  } else if (message === 'close') void hub.close().then(() => process.exit(0));
});
process.on('disconnect', () => process.exit(1));
