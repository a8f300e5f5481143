import type { FollowerLinks } from '../../processes/follower-links.ts';
import type { OwnerLink } from '../../processes/owner-link.ts';
import type { Welcome } from '../../processes/process-place.ts';
import type { Home } from '../home.ts';
import { memoryHome } from '../memory/memory-home.ts';
import type { Storage } from '../open-storage.ts';
import { FollowedIdentityStore } from './followed-identity-store.ts';
import { followedLog } from './followed-log.ts';
import { FollowerIdentityStore } from './follower-identity-store.ts';
import { FollowerLog } from './follower-log.ts';

/** The owner's storage: the followers follow its log and its identity. */
export function followedStorage(storage: Storage, followers: FollowerLinks): Storage {
  return {
    ...storage,
    log: followedLog(storage.log, followers),
    identity: new FollowedIdentityStore(storage.identity, followers),
  };
}

/** What a follower's storage needs. */
export interface FollowerParts {
  readonly owner: OwnerLink;
  readonly welcome: Welcome;
  /** This process cannot follow any more, and has to end. */
  readonly onOutOfSync: (why: string) => void;
}

/**
 * The home of a follower's data: the owner's log and identity. It has no subscriptions and no
 * presence of its own, because the owner alone works on those.
 */
export function followerHome({ owner, welcome, onOutOfSync }: FollowerParts): Home {
  return {
    ...memoryHome,
    openLog: async ({ data }) => new FollowerLog(owner, data, welcome, onOutOfSync),
    openIdentity: () => new FollowerIdentityStore(owner, welcome),
  };
}
