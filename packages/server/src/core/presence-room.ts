import type { PresentUser } from './presence-events.ts';

/**
 * Somebody in a channel, or all of those whom nobody knows: how it is, and what others have been told. Whoever has never been
 * told of and has no session is forgotten.
 */
export interface Member {
  readonly room: Room;
  /** `undefined` stands for all who are anonymous. */
  readonly user: string | undefined;
  info: unknown;
  /** Live sessions. */
  sessions: number;
  /** A short poll counts as one session until then; 0 when none has come. */
  polledUntilMs: number;
  /** The sessions that others were told of; 0 when they do not know of the member. */
  told: number;
  toldInfo: unknown;
  sinceMs: number;
  /** When what differs from what was told is to be told, if it still does. */
  dueMs: number;
}

/** A channel for which presence is kept, as far as anybody is in it. */
export class Room {
  readonly channel: string;
  readonly users: Map<string, Member> = new Map();
  anonymous: Member | undefined = undefined;
  /** Members with a name of whom it was told, or would have been if the room were listed. */
  known = 0;
  isListed = true;
  /** Whether anything has been told of it. */
  isBegun = false;
  /** The counts told last; `users` of a listed room is not told but by its members. */
  toldUsers = 0;
  toldAnonymous = 0;
  isOccupied = false;
  /** When the counts are looked at next; 0 when nothing has changed. */
  countDueMs = 0;
  #listed: readonly PresentUser[] | undefined;

  constructor(channel: string) {
    this.channel = channel;
  }

  get isEmpty(): boolean {
    return this.users.size === 0 && this.anonymous === undefined;
  }

  member(user: string | undefined): Member | undefined {
    return user === undefined ? this.anonymous : this.users.get(user);
  }

  add(user: string | undefined): Member {
    const member: Member = {
      room: this,
      user,
      info: undefined,
      sessions: 0,
      polledUntilMs: 0,
      told: 0,
      toldInfo: undefined,
      sinceMs: 0,
      dueMs: 0,
    };
    if (user === undefined) this.anonymous = member;
    else this.users.set(user, member);
    return member;
  }

  remove({ user }: Member): void {
    if (user === undefined) this.anonymous = undefined;
    else this.users.delete(user);
  }

  /** Those of whom it was told; the same list as long as nothing changes. */
  listed(): readonly PresentUser[] {
    if (this.#listed !== undefined) return this.#listed;
    const listed: PresentUser[] = [];
    for (const member of this.users.values()) if (member.told > 0) listed.push(shownOf(member));
    this.#listed = listed;
    return listed;
  }

  /** What was told of a member is no longer what it was. */
  changed(): void {
    this.#listed = undefined;
  }
}

/** How many sessions a member has now. */
export function countOf({ sessions, polledUntilMs }: Member): number {
  return sessions + (polledUntilMs > 0 ? 1 : 0);
}

/** What others know of a member. */
export function shownOf({ user, toldInfo, told, sinceMs }: Member): PresentUser {
  return { user: user as string, info: toldInfo, sessions: told, sinceMs };
}
