import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Log } from '../../core/ports.ts';
import { FollowerLinks } from '../../processes/follower-links.ts';
import { OwnerLink } from '../../processes/owner-link.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { testStorageOptions } from '../../testing/test-storage.ts';
import { MemoryCluster } from '../contract/cluster/test-hub.ts';
import { logContract } from '../contract/log/log-contract.ts';
import type { StorageOptions } from '../home.ts';
import { openStorage } from '../open-storage.ts';
import { sqliteHome } from '../sqlite/sqlite-home.ts';
import { followedLog } from './followed-log.ts';
import { followerHome } from './process-storage.ts';

const LOGGER = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** The log of a follower of an owner in this process. */
async function openFollower(ownLog: Log, options: StorageOptions, isInCluster: boolean): Promise<Log> {
  const followers = new FollowerLinks(LOGGER);
  const log = followedLog(ownLog, followers);
  if (log.shared === undefined) log.follow(() => undefined);
  else log.shared.followPacked(() => undefined);
  const folder = mkdtempSync(join(tmpdir(), 'polycast-'));
  await followers.listen(folder, () => ({ ...log.state, identity: { keys: [], revocations: [] } }));
  const owner = new OwnerLink(folder, { index: 1, pid: process.pid }, LOGGER);
  const onOutOfSync = (why: string): void => {
    throw new Error(why);
  };
  const home = followerHome({ owner, welcome: await owner.start(), isInCluster, onOutOfSync });
  const follower: Log = await home.openLog(options);
  owner.resume();
  onTestFinished(async () => {
    await follower.close();
    owner.close();
    followers.close();
    await log.close();
  });
  return follower;
}

logContract(
  'a follower of another process',
  async ({ channelsMax = 1_000_000 } = {}) => {
    const options = testStorageOptions(temporaryFolder(), { limits: { channelsMax } });
    const storage = await openStorage(options);
    onTestFinished(() => storage.close());
    return openFollower(storage.log, options, false);
  },
  { isWriter: false },
);

logContract(
  'a follower of a hub of a cluster',
  async ({ channelsMax = 1_000_000 } = {}) => {
    const options = testStorageOptions(temporaryFolder(), { limits: { channelsMax } });
    const log = await new MemoryCluster().openLog('one', { home: sqliteHome, options, channelsMax });
    return openFollower(log, options, true);
  },
  { isWriter: false },
);
