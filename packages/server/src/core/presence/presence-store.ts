import type { Position } from '../ports.ts';
import type { PresenceChange } from './presence-events.ts';
import type { StoredPresence } from './presence-types.ts';

/**
 * The published presence up to a position of the log: which users are in which channels. It is a
 * checkpoint, and the log is the truth. Example: the store has `position` 7 and the head is 9. The
 * caller reads the presence events 8 and 9 from the log and applies them.
 *
 * - Atomic: the changes of one `apply`, with their position.
 * - Eventual: durability. A power loss may take applies back. They are in the log, so the caller
 *   applies them again.
 * - Owner: one hub publishes the changes of a channel, and the store belongs to that hub. In a home
 *   that several hubs share, the sessions at other hubs reach the owner as messages. Their hubs ask
 *   the owner for snapshots.
 *
 * Implementations: see `storage/homes.ts`. One contract suite in `storage/contract` tests them all.
 */
export interface PresenceStore {
  /** All presence events up to and including this position are stored. */
  readonly position: Position;
  /**
   * It accepts no change at the moment, because an erasure rewrites it. The log has the changes.
   */
  readonly isBusy: boolean;
  /** Adds newer presence changes, all or none. Throws when the disk does not accept them. */
  apply(changes: readonly PresenceChange[], position: Position): void;
  /** After the begin of another epoch only the sequences remain. */
  load(): StoredPresence;
  /**
   * Leaves no byte of users and channels that were removed. Rejects while the disk does not accept
   * it.
   */
  eraseRemoved(): Promise<void>;
  close(): void;
}

/** For a hub whose rules do not use presence. It stores nothing, and lacks nothing. */
export const NO_PRESENCE_STORE: PresenceStore = {
  position: Infinity,
  isBusy: false,
  apply: () => undefined,
  load: () => ({ channels: [], online: [], occupied: [], usersSequence: 0, channelsSequence: 0 }),
  eraseRemoved: () => Promise.resolve(),
  close: () => undefined,
};
