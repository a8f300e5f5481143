import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atExit } from '../kit/at-exit.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { until } from '../kit/wait.ts';
import { makeNamespaces, type Finished, type Namespaces } from './namespaces.ts';

const SCRIPT = join(import.meta.dirname, 'container-engine.sh');

/** Podman in namespaces of its own: it knows no image, container or network of this machine. */
export interface ContainerEngine {
  /** @throws Error unless it ends with 0 */
  podman(...args: string[]): string;
  tryPodman(...args: string[]): Finished;
  /** The same as `podman`, while this process goes on. */
  podmanMeanwhile(...args: string[]): Promise<string>;
  /** Builds an image. Only this uses the network of the machine, for the registry of packages. */
  build(...args: string[]): string;
  readonly namespaces: Namespaces;
  /** The variables with which a program uses this engine. */
  readonly environment: readonly string[];
}

export async function startContainerEngine(): Promise<ContainerEngine> {
  const folder = temporaryFolder('engine');
  const images = join(folder, 'images');
  mkdirSync(images);
  atExit(removeControlGroups);
  const namespaces = await makeNamespaces([SCRIPT, images], ['--mount', '--pid', '--net']);
  // The last step of the script. An image that is stored before its mounts is lost.
  await until('the engine has its folders', () => / lo: <[^>]*\bUP\b/.test(namespaces.run('ip', 'link').stdout));
  const configuration = join(folder, 'containers.conf');
  writeFileSync(configuration, configurationOf(folder));
  const environment = [`CONTAINERS_CONF=${configuration}`, `CONTAINERS_STORAGE_CONF=${storageFile(folder, images)}`];
  return {
    namespaces,
    environment,
    podman: (...args) => namespaces.output('env', ...environment, 'podman', ...args),
    tryPodman: (...args) => namespaces.run('env', ...environment, 'podman', ...args),
    podmanMeanwhile: (...args) => namespaces.outputMeanwhile('env', ...environment, 'podman', ...args),
    build: (...args) =>
      namespaces.with(['--mount', '--pid']).output('env', ...environment, 'podman', 'build', '--network=host', ...args),
  };
}

/**
 * Control groups of containers remain when their engine is killed.
 * One that is in use is not removed.
 */
function removeControlGroups(): void {
  spawnSync('find', [
    '/sys/fs/cgroup',
    '-depth',
    '-type',
    'd',
    '-path',
    '*/libpod_parent*',
    '-exec',
    'rmdir',
    '{}',
    ';',
  ]);
}

/**
 * Limits that this machine allows, and paths of the folder in the place of those of the machine.
 */
function configurationOf(folder: string): string {
  const limit = (name: string): string => execFileSync('bash', ['-c', `ulimit -H${name}`], { encoding: 'utf8' }).trim();
  const ulimits = { nofile: Math.min(Number(limit('n')) || 65_536, 65_536) - 1, nproc: 4096 };
  const list = Object.entries(ulimits).map(([name, most]) => JSON.stringify(`${name}=${most}:${most}`));
  return `
[containers]
default_ulimits = [${list.join(', ')}]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "${folder}/tmp"
[network]
network_backend = "netavark"
network_config_dir = "${folder}/networks"
`;
}

function storageFile(folder: string, images: string): string {
  const file = join(folder, 'storage.conf');
  writeFileSync(file, `[storage]\ndriver = "overlay"\ngraphroot = "${images}/graph"\nrunroot = "${images}/run"\n`);
  return file;
}
