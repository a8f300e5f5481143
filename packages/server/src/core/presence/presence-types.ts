import type { Position } from '../ports.ts';
import type { PresenceUser } from './presence-events.ts';
import type { Principal } from '../access/principal.ts';

export interface PresenceSettings {
  /**
   * The delay before others are informed that a member has left, or that the number of its sessions
   * has changed. Only a change that lasts that long is announced.
   */
  readonly graceMs: number;
  /** The time for which a short poll counts as a session. */
  readonly pollGraceMs: number;
  /** A channel with more users announces only counts. */
  readonly listedMax: number;
  /** Whether the hub announces online users and occupied channels. */
  readonly systemEvents: boolean;
  /**
   * The rate and the burst at which announcements of further channels may begin. Readers choose the
   * names of channels, and each name is a channel in the log for a while. Channels beyond the rate
   * are announced later.
   */
  readonly newChannelsPerSecond: number;
  readonly newChannelsBurst: number;
  /** Memory of all members, and of the members of one user. Infos have their own bound. */
  readonly membersBytesMax: number;
  readonly userMembersBytesMax: number;
  readonly infosBytesMax: number;
}

/** The announced state of a channel. */
export interface PresenceSnapshot {
  readonly isListed: boolean;
  readonly users: number;
  /** Sessions of anonymous clients. */
  readonly anonymous: number;
  /** Empty when the channel is not listed. */
  readonly members: readonly PresenceUser[];
}

/** The part of presence that transports may use. */
export interface PresenceView {
  /**
   * The members of a channel, and the position at which this list is complete. A client that reads
   * the channel's presence events from there on misses no change.
   * @throws PolycastError `not_found` where presence is off, `log_unavailable` while changes cannot
   * be published
   */
  snapshot(channel: string): Promise<PresenceSnapshot & { readonly position: Position }>;
  /**
   * Call it before a session begins, before the response to a user's short poll, or before channels
   * are added.
   * @throws PolycastError `overloaded` when presence has no memory for another member
   */
  checkCapacity(principal: Principal, channels: readonly string[]): void;
  /** Whether a user without a session has polled recently. */
  isOnline(user: string): boolean;
  /** The known users with a session or a recent poll. */
  onlineUsers(): Iterable<string>;
}

/** The state that had been announced before a restart. */
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
