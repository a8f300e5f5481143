import { spawnSync } from 'node:child_process';
import { statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atExit } from '../../kit/at-exit.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { startHubProcess } from '../../kit/hub-process.ts';
import { pause } from '../../kit/wait.ts';
import { repeatUntilFired, type Scene } from './scene.ts';

const DISK_MIB = 24;
/** Time for some scrapes of each life. */
const LIFE_MS = 1000;

/**
 * A hub on a disk with little space. It crashes again and again, and does not come back in the end.
 */
export async function restartsScene(): Promise<Scene> {
  const folder = temporaryFolder('alerts-restarts');
  const isMounted = mountSmallDisk(folder);
  const data = join(folder, 'data');
  let hub = await startHubProcess({ data });
  const { url, port } = hub;
  if (isMounted) fill(folder);
  const diskAlerts = isMounted ? ['PolycastDiskFillsUp'] : [];
  return {
    name: 'restarts',
    url,
    alerts: ['PolycastRestarts', 'PolycastDown', ...diskAlerts],
    async provoke(hasFired) {
      await repeatUntilFired(diskAlerts, hasFired);
      await repeatUntilFired(['PolycastRestarts'], hasFired, async () => {
        await pause(LIFE_MS);
        await hub.end('SIGKILL');
        hub = await startHubProcess({ data, port });
      });
      await hub.end('SIGKILL');
      await repeatUntilFired(['PolycastDown'], hasFired);
    },
  };
}

/** Only root can mount a disk. */
function mountSmallDisk(folder: string): boolean {
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'none', folder]);
  if (status !== 0) {
    console.warn('PolycastDiskFillsUp is only unit-tested: a small disk can be mounted by root only.');
    return false;
  }
  atExit(() => spawnSync('umount', ['-l', folder]));
  return true;
}

/** Leaves one sixteenth of the disk. */
function fill(folder: string): void {
  const { bsize, bavail, blocks } = statfsSync(folder);
  writeFileSync(join(folder, 'ballast'), Buffer.alloc((bavail - blocks / 16) * bsize));
}
