import type { Position } from '../../core/ports.ts';
import type { OwnerLink } from '../../processes/owner-link.ts';
import type { Welcome } from '../../processes/process-place.ts';

/**
 * In a cluster, a follower that has not heard from an owner for this time does not know what other
 * hubs have revoked. An owner that is replaced is usually back earlier.
 */
export const OWNER_SILENT_MAX_MS = 5_000;

/** What a follower's storage needs. */
export interface FollowerParts {
  readonly owner: OwnerLink;
  readonly welcome: Welcome;
  /** The owner is a hub of a cluster, so other hubs publish and change keys, too. */
  readonly isInCluster: boolean;
  /** These events are erased: no memory of this process may have them. */
  readonly onErased: (positions: readonly Position[]) => void;
  /** This process cannot follow any more, and has to end. */
  readonly onOutOfSync: (why: string) => void;
}
