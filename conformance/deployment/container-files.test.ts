import { globSync, readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../../packages/server/src/config/parse.ts';

/** What the files of operate/container say, without an engine that runs them. */
const FOLDER = join(import.meta.dirname, '../../operate/container');

const composeFiles = globSync('compose*.yaml', { cwd: FOLDER }).toSorted();

test('the compose files are found', () => {
  expect(composeFiles).toEqual(['compose.monitoring.yaml', 'compose.yaml']);
});

test('each file that a service mounts exists', () => {
  const mounted = composeFiles.flatMap((name) => [...read(name).matchAll(/^ +- (\.[^:]+):/gm)].map(([, path]) => path));
  expect(mounted.length).toBeGreaterThan(5);
  expect(mounted.filter((path) => !existsSync(join(FOLDER, path as string)))).toEqual([]);
});

test('the hub trusts the network of its compose file, and nothing else', () => {
  const { trustedProxies } = parseConfig(parse(read('polycast.yaml')));
  const { networks } = parse(read('compose.yaml')) as { networks: { hub: { ipam: { config: unknown } } } };
  expect(networks.hub.ipam.config).toEqual(trustedProxies.map((subnet) => ({ subnet })));
});

test('the hub ends its sessions before the engine sends SIGKILL', () => {
  const drainMs = Number(/POLYCAST_DRAIN_TIME_MS=(\d+)/.exec(read('Containerfile'))?.[1]);
  const { services } = parse(read('compose.yaml')) as { services: { hub: { stop_grace_period: string } } };
  // 10 s is the default of Docker and Podman, without Compose.
  expect(drainMs).toBeLessThanOrEqual(8000);
  expect(services.hub.stop_grace_period).toBe('15s');
});

function read(name: string): string {
  return readFileSync(join(FOLDER, name), 'utf8');
}
