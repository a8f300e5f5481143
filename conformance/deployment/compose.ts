import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packagesOf } from '../third-party/packages.ts';
import type { ContainerEngine } from './container-engine.ts';

/** `docker compose`, as podman-compose does it. */
export interface Compose {
  /** Checks all files against the specification of Compose; returns the names of the services. */
  check(): string[];
  /** Starts services of these files, and waits until their containers run. */
  up(files: readonly string[], services: readonly string[]): void;
}

/**
 * Returns `undefined` where the registry of Python's packages is not to be had.
 * @param operate the folder with the files
 */
export async function startCompose(engine: ContainerEngine, operate: string): Promise<Compose | undefined> {
  const program = await packagesOf('python', 'compose');
  if (program.missing !== undefined) return undefined;
  const python = join(program.folder, 'venv/bin/python');
  const folder = join(operate, 'container');
  // `compose.yaml` comes first: the others add to it.
  const own = globSync('compose*.yaml', { cwd: folder }).toSorted((one, other) => one.length - other.length);
  writeFileSync(join(folder, 'compose.test.yaml'), OVERRIDE);
  // A test does not wait for the interval of production.
  const prometheus = join(folder, 'prometheus.yaml');
  writeFileSync(prometheus, readFileSync(prometheus, 'utf8').replace('scrape_interval: 15s', 'scrape_interval: 1s'));
  return {
    check() {
      const output = execFileSync(python, [join(program.folder, 'check.py'), ...own], {
        cwd: folder,
        encoding: 'utf8',
      });
      return output.trim().split(/\s+/);
    },
    up(files, services) {
      const options = [...files, 'compose.test.yaml'].flatMap((file) => ['--file', join(folder, file)]);
      const command = [python, '-m', 'podman_compose', '--in-pod=0', ...options, 'up', '--detach', '--no-build'];
      engine.namespaces.output('env', ...engine.environment, 'GRAFANA_PASSWORD=secret', ...command, ...services);
    },
  };
}

/**
 * Fewer files than the hub should have: a machine for tests may not allow more.
 * Refusals are logged.
 */
const OVERRIDE = `
services:
  hub:
    ulimits: !override
      nofile: 4096
      nproc: 4096
    environment:
      POLYCAST_LOGGING_LEVEL: debug
`;
