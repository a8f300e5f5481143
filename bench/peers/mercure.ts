// Mercure's hub (as a module of Caddy): local transport without history, anonymous subscribers, a
// signed publisher.
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder } from '../harness/folders.ts';
import { acceptsConnections, freePort, serverCore, startPinned, waitUntilReady } from '../harness/processes.ts';
import { goBinary, goBinaryMissing, goVersion } from './go-build.ts';
import type { Peer } from './peer.ts';

const module = 'github.com/dunglas/mercure/caddy/mercure@latest';
const key = 'the-key-of-a-benchmark-that-is-not-secret';

export const mercure: Peer = {
  name: 'mercure',
  unavailable: () => goBinaryMissing('mercure', module),
  version: () => goVersion('mercure'),
  start: async () => {
    const port = await freePort();
    const file = join(freshFolder('mercure'), 'Caddyfile');
    writeFileSync(file, configuration(port));
    const process = startPinned([goBinary('mercure'), 'run', '--config', file, '--adapter', 'caddyfile'], {
      core: serverCore,
      environment: { GOMAXPROCS: '1' },
    });
    await waitUntilReady(process, () => acceptsConnections(port));
    return { port, process };
  },
  subscribeOptions: (transport) =>
    transport === 'sse' ? { subscribePath: '/.well-known/mercure?topic=bench-{c}' } : undefined,
  publishOptions: () => ({
    publishPath: '/.well-known/mercure',
    publishHeader: ['Content-Type: application/x-www-form-urlencoded', `Authorization: Bearer ${publisherToken()}`],
    publishBody: 'topic=bench-{c}&data={e}',
  }),
};

function configuration(port: number): string {
  return `
{
  auto_https off
  admin off
  log { level ERROR }
}
http://127.0.0.1:${port} {
  mercure {
    publisher_jwt ${key}
    subscriber_jwt ${key}
    anonymous
    transport local
    heartbeat 0s
  }
}
`;
}

function publisherToken(): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ mercure: { publish: ['*'] } })}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}
