import type { FollowerLinks } from '../../processes/follower-links.ts';
import type { Home } from '../home.ts';
import { memoryHome } from '../memory/memory-home.ts';
import type { Storage } from '../open-storage.ts';
import { FollowedIdentityStore } from './followed-identity-store.ts';
import { followedLog } from './followed-log.ts';
import { FollowerIdentityStore } from './follower-identity-store.ts';
import { FollowerLog } from './follower-log.ts';
import type { FollowerParts } from './follower-parts.ts';

/** The owner's storage: the followers follow its log and its identity. */
export function followedStorage(storage: Storage, followers: FollowerLinks): Storage {
  return {
    ...storage,
    log: followedLog(storage.log, followers),
    identity: new FollowedIdentityStore(storage.identity, followers),
  };
}

/**
 * The home of a follower's data: the owner's log and identity. It has no subscriptions and no
 * presence of its own, because the owner alone works on those.
 */
export function followerHome(parts: FollowerParts): Home {
  return {
    ...memoryHome,
    openLog: async ({ data }) => new FollowerLog(parts, data),
    openIdentity: () => new FollowerIdentityStore(parts),
  };
}
