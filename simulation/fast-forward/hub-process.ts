// The hub of a fast-forward run, in a process of its own. argv is the data folder and the speed of
// time.
import { parseConfig } from '../../packages/server/src/config/parse.ts';
import { openHub } from '../../packages/server/src/hub.ts';
import { fastWorld } from '../../packages/server/src/operate/world.ts';
import { checkInvariants } from '../check-invariants.ts';
import { DEFAULTS, RULES } from './rules.ts';

const [folder = '', speed = '1'] = process.argv.slice(2);
const config = parseConfig({
  listen: '127.0.0.1:0',
  access: 'loopback',
  data: folder,
  defaults: DEFAULTS,
  rules: RULES,
  storage: { retentionIntervalMs: 50 },
  // Small, so that consumers who were away for a while need the log.
  delivery: { tailBytesMax: 4 * 1024 * 1024 },
  logging: { level: 'error', format: 'json' },
});
checkInvariants();
const hub = await openHub(config, { world: fastWorld(Number(speed)) });
process.send?.({ port: hub.port });
process.on('message', (message) => {
  if (message === 'memory') {
    globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    process.send?.({ memory: { rss, heapUsed, external } });
  } else if (message === 'close') void hub.close().then(() => process.exit(0));
});
process.on('disconnect', () => process.exit(1));
