import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { describe, test, type TestContext } from 'vitest';
import { canShim, shimDisk, type Disk } from '../kit/disk-shim.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { publish } from '../kit/http.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { until, within } from '../kit/wait.ts';

describe.skipIf(!canShim).concurrent('a hub whose disk stands still ends on SIGTERM in bounded time', () => {
  test('and says why', async ({ expect, onTestFinished }) => {
    const { hub, disk } = await start(onTestFinished);
    await writeOn(hub, disk, 'log.db');
    await hub.end('SIGTERM');
    expect(hub.child.signalCode).toBe('SIGKILL');
    expect(hub.log()).toMatch(
      /"stage":"\w+","msg":"closing takes long.*has not closed within 18000 ms, and is killed/s,
    );
  });

  test('also when its main thread waits for the disk', async ({ expect, onTestFinished }) => {
    const { hub, disk } = await start(onTestFinished);
    disk.order('hold', 'identity');
    await hub.end('SIGTERM');
    expect([disk.isHeld(), hub.child.signalCode]).toEqual([true, 'SIGKILL']);
    // Only another thread could act.
    expect(hub.log()).not.toContain('is killed');
  });

  test('at once with a third signal', async ({ expect, onTestFinished }) => {
    const { hub, disk } = await start(onTestFinished);
    await writeOn(hub, disk, 'log.db');
    const ended = once(hub.child, 'exit');
    hub.child.kill('SIGTERM');
    await until('it has begun to close', () => hub.log().includes('closing all sessions'));
    hub.child.kill('SIGTERM');
    const signals = setInterval(() => hub.child.kill('SIGTERM'), 100);
    await within('it to end', ended, 10_000).finally(() => clearInterval(signals));
    expect(hub.child.signalCode).toBe('SIGTERM');
  });
});

async function start(
  onTestFinished: TestContext['onTestFinished'],
): Promise<{ readonly hub: HubProcess; readonly disk: Disk }> {
  const data = temporaryFolder('hub');
  const disk = shimDisk(realpathSync(data));
  const hub = await startHubProcess({ data, config: { drain: { timeMs: 0 } }, environment: disk.environment });
  onTestFinished(async () => void (await hub.end('SIGKILL')));
  return { hub, disk };
}

/** Holds up the syncs of files whose name begins like this, and begins a write. */
async function writeOn(hub: HubProcess, disk: Disk, files: string): Promise<void> {
  disk.order('hold', files);
  publish(hub.url, { channel: 'a', data: 1 }).catch(() => undefined);
  await until('a write waits', () => disk.isHeld());
}
