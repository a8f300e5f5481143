import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** The schedules of each run. `node simulation/cluster.ts --seeds 5000` runs more. */
const SEEDS = 100;

/**
 * In a process of its own, since virtual time replaces the timers of its program. A failure names
 * its seed, and `--from SEED --seeds 1 --trace` shows what happened.
 */
test('simulated clusters have one history, give no false gap, and forget no revocation, in any schedule', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'cluster.ts'), '--seeds', `${SEEDS}`, '--found']);
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => void (out += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  console.log(out);
  expect([code, out]).toEqual([0, expect.stringContaining(': 0 failed')]);
});
