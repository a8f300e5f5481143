import type { Position } from '../ports.ts';
import type { PresenceUser } from './presence-events.ts';
import type { Principal } from '../access/principal.ts';

export interface PresenceSettings {
  /** Others are told that somebody has left, or has other sessions than before, only after it has been so for so long. */
  readonly graceMs: number;
  /** A short poll counts as a session of so long. */
  readonly pollGraceMs: number;
  /** Of a channel with more users than this only counts are told. */
  readonly listedMax: number;
  /** Whether it is told who is online, and which channels are occupied. */
  readonly systemEvents: boolean;
  /**
   * How many channels presence may be begun for, in the long run and at once: a reader names what it likes, and each name is a channel
   * in the log for a while. Those beyond are told of later.
   */
  readonly newChannelsPerSecond: number;
  readonly newChannelsBurst: number;
  /** What all members may take, and those of one user; what is shown of them is counted on its own. */
  readonly membersBytesMax: number;
  readonly userMembersBytesMax: number;
  readonly infosBytesMax: number;
}

/** What is known of a channel. */
export interface PresenceSnapshot {
  readonly isListed: boolean;
  readonly users: number;
  /** Sessions of nobody known. */
  readonly anonymous: number;
  /** Empty when the channel is not listed. */
  readonly members: readonly PresenceUser[];
}

/** What the transports may ask of presence. */
export interface PresenceView {
  /**
   * Who is in a channel, and the position at which that is true: whoever reads the channel's events after it has it all.
   * @throws PolycastError `not_found` where presence is not kept, `log_unavailable` while nothing can be told
   */
  snapshot(channel: string): Promise<PresenceSnapshot & { readonly position: Position }>;
  /**
   * To be asked before a session begins, a short poll of a user's is answered, or channels are added.
   * @throws PolycastError `overloaded` when nobody more can be kept where presence is
   */
  checkCapacity(principal: Principal, channels: readonly string[]): void;
  /** Whether a user who is not connected has polled lately. */
  isOnline(user: string): boolean;
  /** Users who are connected or have polled lately, as far as they are known here. */
  onlineUsers(): Iterable<string>;
}

/** What others had been told before a restart. */
export interface StoredPresence {
  readonly channels: readonly StoredPresenceChannel[];
  readonly online: readonly string[];
  readonly occupied: readonly string[];
  readonly usersSequence: number;
  readonly channelsSequence: number;
}

export interface StoredPresenceChannel extends PresenceSnapshot {
  readonly channel: string;
}
