import { assertInvariant } from '../primitives/invariant.ts';
import type { PresenceUser } from './presence-events.ts';

/**
 * A user in a channel, or all its anonymous clients together: the present state, and the state that
 * has been announced to others. A member that was never announced and has no session is removed.
 */
export interface PresenceMember {
  readonly presenceChannel: PresenceChannel;
  /** `undefined`: all anonymous clients. */
  readonly user: string | undefined;
  info: unknown;
  /** Live sessions. */
  sessions: number;
  /** A short poll counts as one session until this time; 0 without a poll. */
  polledUntilMs: number;
  /** The number of sessions that was announced; 0 while the member is not announced. */
  announcedSessions: number;
  announcedInfo: unknown;
  sinceMs: number;
  /** The time at which a changed state is announced, if it still differs then. */
  announceAtMs: number;
}

/** A channel with presence, as long as it has members or announced state. */
export class PresenceChannel {
  readonly channel: string;
  readonly users: Map<string, PresenceMember> = new Map();
  anonymous: PresenceMember | undefined = undefined;
  /**
   * The number of announced users. In a channel that is not listed: of users that would have been
   * announced.
   */
  announcedUserCount = 0;
  isListed = true;
  /** Whether announcements of the channel have begun. */
  hasAnnounced = false;
  /**
   * The counts announced last. A listed channel announces its users one by one, without their
   * count.
   */
  lastUserCount = 0;
  lastAnonymousCount = 0;
  isOccupied = false;
  /** The time of the next comparison of the counts; 0 when nothing has changed. */
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

  /** The announced users. The same list object as long as nothing changes. */
  announcedUsers(): readonly PresenceUser[] {
    if (this.#listed !== undefined) return this.#listed;
    const users: PresenceUser[] = [];
    for (const member of this.users.values()) if (member.announcedSessions > 0) users.push(announcedUser(member));
    this.#listed = users;
    return users;
  }

  allMembers(): PresenceMember[] {
    return [...this.users.values(), ...(this.anonymous === undefined ? [] : [this.anonymous])];
  }

  /** Visits every member. */
  assertInvariants(): void {
    let announced = 0;
    for (const member of this.allMembers()) {
      assertInvariant(member.presenceChannel === this, 'presence: a member knows its channel');
      assertInvariant(
        member.sessions >= 0 && member.announcedSessions + sessionCount(member) > 0,
        'presence: a member has a session, or had one that was announced',
      );
      if (member.user !== undefined && member.announcedSessions > 0) announced++;
    }
    assertInvariant(announced === this.announcedUserCount, 'presence: the count is that of the announced users');
  }

  /** Drops the cached list, because the announced state of a member has changed. */
  invalidateList(): void {
    this.#listed = undefined;
  }
}

/** The current number of a member's sessions. */
export function sessionCount({ sessions, polledUntilMs }: PresenceMember): number {
  return sessions + (polledUntilMs > 0 ? 1 : 0);
}

/** The announced state of a member. */
export function announcedUser({ user, announcedInfo, announcedSessions, sinceMs }: PresenceMember): PresenceUser {
  return { user: user as string, info: announcedInfo, sessions: announcedSessions, sinceMs };
}

/**
 * Memory of the member, and of the channel as if it had no other member. A name with a character
 * beyond Latin-1 takes two bytes a character.
 */
export function memberBytes(channel: string, user: string | undefined): number {
  return MEMBER_BYTES + 2 * channel.length + 2 * (user?.length ?? 0);
}

/** Both objects, their places in maps and sets, and the member's place in the published list. */
const MEMBER_BYTES = 700;
