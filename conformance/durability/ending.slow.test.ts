import { realpathSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { canShim, shimDisk } from '../kit/disk-shim.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { publish } from '../kit/http.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

test.skipIf(!canShim)(
  'on SIGTERM a hub ends in bounded time and says why, also when its disk stands still',
  async () => {
    const data = temporaryFolder('hub');
    const disk = shimDisk(realpathSync(data));
    const config = { drain: { timeMs: 0 } };
    const hub = await startHubProcess({ data, config, environment: disk.environment });
    onTestFinished(async () => void (await hub.end('SIGKILL')));
    disk.order('hold', 'log.db');
    publish(hub.url, { channel: 'a', data: 1 }).catch(() => undefined);
    await until('a write waits', () => disk.isHeld());
    await hub.end('SIGTERM');
    expect(hub.child.signalCode).toBe('SIGKILL');
    expect(hub.log()).toMatch(
      /"stage":"log","msg":"closing takes long.*has not closed within 20000 ms, and is killed/s,
    );
  },
);
