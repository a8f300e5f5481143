import type { PresenceChange, PresenceUser } from '../presence-events.ts';
import type { StoredPresence, PresenceSnapshot } from '../presence-types.ts';

/** The state of a channel for an observer that received a snapshot and every change since. */
export class PresenceObserver {
  readonly members: Map<string, PresenceUser> = new Map();
  isListed = true;
  anonymous = 0;
  /** The number of users in a channel that is not listed. */
  #users = 0;

  constructor(snapshot?: PresenceSnapshot) {
    if (snapshot === undefined) return;
    this.isListed = snapshot.isListed;
    this.anonymous = snapshot.anonymous;
    this.#users = snapshot.users;
    for (const member of snapshot.members) this.members.set(member.user, member);
  }

  get users(): number {
    return this.isListed ? this.members.size : this.#users;
  }

  apply(change: PresenceChange): void {
    switch (change.kind) {
      case 'join':
      case 'update': {
        const { user, info, sessions, sinceMs } = change;
        this.members.set(user, { user, info, sessions, sinceMs });
        return;
      }
      case 'leave':
        this.members.delete(change.user);
        return;
      case 'count':
        this.isListed = change.isListed;
        this.anonymous = change.anonymous;
        this.#users = change.users;
        if (!change.isListed) this.members.clear();
        return;
      default:
        return;
    }
  }

  get snapshot(): PresenceSnapshot {
    const { isListed, users, anonymous } = this;
    return { isListed, users, anonymous, members: isListed ? [...this.members.values()] : [] };
  }
}

/** All published state, as the next start of the hub restores it. */
export class PublishedPresence {
  readonly channels: Map<string, PresenceObserver> = new Map();
  readonly online: Set<string> = new Set();
  readonly occupied: Set<string> = new Set();
  usersSequence = 0;
  channelsSequence = 0;

  apply(change: PresenceChange): void {
    switch (change.kind) {
      case 'online':
        this.online.add(change.user);
        this.usersSequence = change.sequence;
        return;
      case 'offline':
        this.online.delete(change.user);
        this.usersSequence = change.sequence;
        return;
      case 'occupied':
        this.occupied.add(change.channel);
        this.channelsSequence = change.sequence;
        return;
      case 'vacated':
        this.occupied.delete(change.channel);
        this.channelsSequence = change.sequence;
        return;
      default:
        this.channel(change.channel).apply(change);
    }
  }

  channel(name: string): PresenceObserver {
    let channel = this.channels.get(name);
    if (channel === undefined) this.channels.set(name, (channel = new PresenceObserver()));
    return channel;
  }

  get stored(): StoredPresence {
    return {
      channels: [...this.channels].map(([channel, observer]) => ({ channel, ...observer.snapshot })),
      online: [...this.online],
      occupied: [...this.occupied],
      usersSequence: this.usersSequence,
      channelsSequence: this.channelsSequence,
    };
  }
}
