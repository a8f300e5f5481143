import { PolycastError } from '@polycast/protocol';
import type { LogState } from '../core/ports.ts';

/**
 * The processes of one hub (`polycast serve --processes 4`) share a port and a data folder. One of
 * them, the owner, writes the data. The others, the followers, serve readers and publishers, and
 * follow the owner's commits.
 */
export interface ProcessPlace {
  /** From 0. The owner has 0, also after it was replaced. */
  readonly index: number;
  readonly role: 'owner' | 'follower';
  /** A private folder with the sockets between the processes. */
  readonly folder: string;
}

/** The socket of the messages between a follower and the owner. */
export const OWNER_SOCKET = 'owner.sock';
/** The socket at which the owner answers requests that came to a follower. */
export const REQUESTS_SOCKET = 'requests.sock';

/** The first message of a follower. WAMP calls these two messages `HELLO` and `WELCOME`, too. */
export interface Hello {
  readonly index: number;
  readonly pid: number;
}

/** The owner's answer: the state from which its further messages continue. */
export interface Welcome extends LogState {
  readonly pid: number;
  /** Keys and revocations, as `storage/processes/identity-messages.ts` encodes them. */
  readonly identity: unknown;
  /** In a cluster, whether the owner hears of revocations. */
  readonly isCurrent?: boolean | undefined;
}

export function ownerLost(): PolycastError {
  return new PolycastError('log_unavailable', 'The process that owns the data is being replaced.', {
    retryAfterMs: 1000,
  });
}
