import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Log } from '../../core/ports.ts';
import { FollowerLinks } from '../../processes/follower-links.ts';
import { OwnerLink } from '../../processes/owner-link.ts';
import { encodeJson } from '../../processes/process-channel.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { testStorageOptions } from '../../testing/test-storage.ts';
import { MemoryCluster } from '../contract/cluster/test-hub.ts';
import { record } from '../contract/log/log-fixtures.ts';
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
  const home = followerHome({
    owner,
    welcome: await owner.start(),
    isInCluster,
    onErased: () => undefined,
    onOutOfSync,
  });
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

test('an event that is erased while a follower catches up is erased again after it has arrived', async () => {
  const options = testStorageOptions(temporaryFolder());
  const { log, close } = await openStorage(options);
  onTestFinished(() => close());
  const folder = mkdtempSync(join(tmpdir(), 'polycast-'));
  const welcome = (): object => ({ ...log.state, identity: { keys: [], revocations: [] } });
  const first = new FollowerLinks(LOGGER);
  await first.listen(folder, welcome as never);
  const owner = new OwnerLink(folder, { index: 1, pid: process.pid }, LOGGER);
  onTestFinished(() => owner.close());
  const happened: string[] = [];
  const onErased = (positions: readonly number[]): void => void happened.push(`erased ${positions.join()}`);
  const onOutOfSync = (why: string): void => void happened.push(why);
  const parts = { owner, welcome: await owner.start(), isInCluster: false, onErased, onOutOfSync };
  const follower = await followerHome(parts).openLog(options);
  onTestFinished(() => follower.close());
  follower.follow((records) => void happened.push(`events ${records.map(({ position }) => position).join()}`));
  owner.resume();
  first.close();
  await log.append([record('news'), record('news')]);
  const next = new FollowerLinks(LOGGER);
  onTestFinished(() => next.close());
  next.onOpened(({ channel }) => channel.send('erased', encodeJson([2])));
  await next.listen(folder, welcome as never);
  await vi.waitFor(() => expect(happened).toEqual(['erased 2', 'events 1,2', 'erased 2']));
});
