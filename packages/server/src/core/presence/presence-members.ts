import type { PresenceUser } from './presence-events.ts';

/**
 * Somebody in a channel, or all of those whom nobody knows: how it is, and what others have been told. Whoever has never been
 * told of and has no session is forgotten.
 */
export interface PresenceMember {
  readonly presenceChannel: PresenceChannel;
  /** `undefined` stands for all who are anonymous. */
  readonly user: string | undefined;
  info: unknown;
  /** Live sessions. */
  sessions: number;
  /** A short poll counts as one session until then; 0 when none has come. */
  polledUntilMs: number;
  /** The sessions that others were told of; 0 when they do not know of the member. */
  announcedSessions: number;
  announcedInfo: unknown;
  sinceMs: number;
  /** When what differs from what was told is to be told, if it still does. */
  announceAtMs: number;
}

/** A channel for which presence is kept, as far as anybody is in it. */
export class PresenceChannel {
  readonly channel: string;
  readonly users: Map<string, PresenceMember> = new Map();
  anonymous: PresenceMember | undefined = undefined;
  /** Members with a name of whom it was told, or would have been if the room were listed. */
  announcedUserCount = 0;
  isListed = true;
  /** Whether anything has been told of it. */
  hasAnnounced = false;
  /** The counts told last; `users` of a listed room is not told but by its members. */
  lastUserCount = 0;
  lastAnonymousCount = 0;
  isOccupied = false;
  /** When the counts are looked at next; 0 when nothing has changed. */
  countAtMs = 0;
  #listed: readonly PresenceUser[] | undefined;

  constructor(channel: string) {
    this.channel = channel;
  }

  get isEmpty(): boolean {
    return this.users.size === 0 && this.anonymous === undefined;
  }

  member(user: string | undefined): PresenceMember | undefined {
    return user === undefined ? this.anonymous : this.users.get(user);
  }

  add(user: string | undefined): PresenceMember {
    const member: PresenceMember = {
      presenceChannel: this,
      user,
      info: undefined,
      sessions: 0,
      polledUntilMs: 0,
      announcedSessions: 0,
      announcedInfo: undefined,
      sinceMs: 0,
      announceAtMs: 0,
    };
    if (user === undefined) this.anonymous = member;
    else this.users.set(user, member);
    return member;
  }

  remove({ user }: PresenceMember): void {
    if (user === undefined) this.anonymous = undefined;
    else this.users.delete(user);
  }

  /** Those of whom it was told; the same list as long as nothing changes. */
  announcedUsers(): readonly PresenceUser[] {
    if (this.#listed !== undefined) return this.#listed;
    const users: PresenceUser[] = [];
    for (const member of this.users.values()) if (member.announcedSessions > 0) users.push(announcedUser(member));
    this.#listed = users;
    return users;
  }

  /** What was told of a member is no longer what it was. */
  invalidateList(): void {
    this.#listed = undefined;
  }
}

/** How many sessions a member has now. */
export function sessionCount({ sessions, polledUntilMs }: PresenceMember): number {
  return sessions + (polledUntilMs > 0 ? 1 : 0);
}

/** What others know of a member. */
export function announcedUser({ user, announcedInfo, announcedSessions, sinceMs }: PresenceMember): PresenceUser {
  return { user: user as string, info: announcedInfo, sessions: announcedSessions, sinceMs };
}
