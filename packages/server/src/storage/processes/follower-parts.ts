import type { OwnerLink } from '../../processes/owner-link.ts';
import type { Welcome } from '../../processes/process-place.ts';

/** What a follower's storage needs. */
export interface FollowerParts {
  readonly owner: OwnerLink;
  readonly welcome: Welcome;
  /** The owner is a hub of a cluster, so other hubs publish and change keys, too. */
  readonly isInCluster: boolean;
  /** This process cannot follow any more, and has to end. */
  readonly onOutOfSync: (why: string) => void;
}
