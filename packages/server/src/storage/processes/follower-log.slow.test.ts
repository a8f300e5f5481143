import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Log } from '../../core/ports.ts';
import { FollowerLinks } from '../../processes/follower-links.ts';
import { OwnerLink } from '../../processes/owner-link.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { testStorageOptions } from '../../testing/test-storage.ts';
import { logContract } from '../contract/log/log-contract.ts';
import { openStorage } from '../open-storage.ts';
import { followedStorage, followerHome } from './process-storage.ts';

const LOGGER = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

logContract(
  'a follower of another process',
  async ({ channelsMax = 1_000_000 } = {}) => {
    const options = testStorageOptions(temporaryFolder(), { limits: { channelsMax } });
    const followers = new FollowerLinks(LOGGER);
    const storage = followedStorage(await openStorage(options), followers);
    storage.log.follow(() => undefined);
    const folder = mkdtempSync(join(tmpdir(), 'polycast-'));
    await followers.listen(folder, () => ({ ...storage.log.state, identity: { keys: [], revocations: [] } }));
    const owner = new OwnerLink(folder, { index: 1, pid: process.pid }, LOGGER);
    const onOutOfSync = (why: string): void => {
      throw new Error(why);
    };
    const log: Log = await followerHome({ owner, welcome: await owner.start(), onOutOfSync }).openLog(options);
    owner.resume();
    onTestFinished(async () => {
      await log.close();
      owner.close();
      followers.close();
      await storage.close();
    });
    return log;
  },
  { isWriter: false },
);
