import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

const END_TIMEOUT_MS = 60_000;

/**
 * Ends a program by SIGTERM. Resolves when it has ended.
 * @throws Error if it had to be killed
 */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  const killing = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS);
  child.kill('SIGTERM');
  await ended;
  clearTimeout(killing);
  if (child.signalCode === 'SIGKILL') throw new Error(`${child.spawnargs.join(' ')} has not ended on SIGTERM`);
}
