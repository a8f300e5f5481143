import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { atExit } from '../kit/at-exit.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { until } from '../kit/wait.ts';
import { makeNamespaces, type Namespaces } from './namespaces.ts';

const SCRIPT = join(import.meta.dirname, 'boot-systemd.sh');

/**
 * Starts Debian's systemd as the first process of namespaces of its own, on a copy of this
 * machine's file system that lives in memory. Services run in it with their whole sandbox.
 * @param binds paths outside, and where each is seen inside
 */
export async function bootSystemd(binds: readonly (readonly [source: string, target: string])[]): Promise<Namespaces> {
  const folder = temporaryFolder('systemd');
  atExit(() => execFileSync(SCRIPT, ['--remove', folder]));
  const machine = await makeNamespaces([SCRIPT, folder, ...binds.map((pair) => pair.join(':'))], ['--all']);
  // The first answers may be those of the machine's own systemd, which does not have this target.
  await until('systemd runs', () => machine.run('systemctl', 'is-active', 'test.target').status === 0);
  await until('systemd is ready', () => machine.run('systemctl', 'is-system-running').stdout.trim() === 'running');
  return machine;
}
