import type { PresenceInfoStore } from './presence-info-store.ts';
import type { PresenceChange } from './presence-events.ts';
import { sessionCount, announcedUser, type PresenceMember, type PresenceChannel } from './presence-members.ts';
import type { PresenceSettings } from './presence-types.ts';

/**
 * A channel becomes listed again only well below the bound, so that a channel near the bound does
 * not alternate.
 */
const RELIST_FRACTION = 0.75;

/**
 * Turns state into changes to publish, in the order of publishing, and marks them as announced.
 * Example: Ann has a session that is not announced, so the change is a `join`.
 */
export class PresenceAnnouncer {
  readonly #settings: Pick<PresenceSettings, 'listedMax' | 'systemEvents'>;
  #usersSequence = 0;
  #channelsSequence = 0;

  readonly #infos: PresenceInfoStore;

  constructor(settings: Pick<PresenceSettings, 'listedMax' | 'systemEvents'>, infos: PresenceInfoStore) {
    this.#settings = settings;
    this.#infos = infos;
  }

  /** Continues with the sequence numbers after these. */
  resume(usersSequence: number, channelsSequence: number): void {
    this.#usersSequence = usersSequence;
    this.#channelsSequence = channelsSequence;
  }

  /** Announces that a user has come online or gone offline. */
  announceOnline(member: PresenceMember, changes: PresenceChange[], wallMs: number): void {
    const announcedBefore = this.#markAnnounced(member, wallMs);
    if (!this.#settings.systemEvents || Math.sign(announcedBefore) === Math.sign(member.announcedSessions)) return;
    const kind = member.announcedSessions > 0 ? 'online' : 'offline';
    changes.push({ kind, user: member.user as string, sequence: ++this.#usersSequence });
  }

  /**
   * Announces the state of a member. Returns true when the channel is not listed, so that its
   * counts must be announced later instead.
   */
  announceMember(member: PresenceMember, changes: PresenceChange[], wallMs: number): boolean {
    const { presenceChannel, user } = member;
    const announcedBefore = this.#markAnnounced(member, wallMs);
    const isCountOnly = !presenceChannel.isListed;
    if (!isCountOnly && user === undefined) changes.push(countChange(presenceChannel));
    else if (!isCountOnly) this.#announceUser(member, announcedBefore, changes);
    this.#announceOccupancy(presenceChannel, changes);
    return isCountOnly;
  }

  /**
   * Announces the counts of a channel that is not listed. When few users remain, it becomes listed,
   * and announces them by name.
   */
  announceCounts(presenceChannel: PresenceChannel, changes: PresenceChange[]): void {
    const anonymous = presenceChannel.anonymous?.announcedSessions ?? 0;
    if (!presenceChannel.isListed) {
      presenceChannel.isListed = presenceChannel.announcedUserCount <= this.#settings.listedMax * RELIST_FRACTION;
      if (
        presenceChannel.isListed ||
        presenceChannel.lastUserCount !== presenceChannel.announcedUserCount ||
        presenceChannel.lastAnonymousCount !== anonymous
      )
        changes.push(countChange(presenceChannel));
      if (presenceChannel.isListed)
        for (const user of presenceChannel.announcedUsers())
          changes.push({ kind: 'join', channel: presenceChannel.channel, ...user });
    }
    this.#announceOccupancy(presenceChannel, changes);
  }

  #announceUser(member: PresenceMember, announcedBefore: number, changes: PresenceChange[]): void {
    const { presenceChannel } = member;
    if (presenceChannel.announcedUserCount > this.#settings.listedMax) {
      presenceChannel.isListed = false;
      changes.push(countChange(presenceChannel));
    } else if (member.announcedSessions === 0) {
      changes.push({ kind: 'leave', channel: presenceChannel.channel, user: member.user as string });
    } else {
      changes.push({
        kind: announcedBefore === 0 ? 'join' : 'update',
        channel: presenceChannel.channel,
        ...announcedUser(member),
      });
    }
  }

  #announceOccupancy(presenceChannel: PresenceChannel, changes: PresenceChange[]): void {
    const isOccupied =
      presenceChannel.announcedUserCount > 0 || (presenceChannel.anonymous?.announcedSessions ?? 0) > 0;
    if (isOccupied === presenceChannel.isOccupied) return;
    presenceChannel.isOccupied = isOccupied;
    if (!this.#settings.systemEvents) return;
    const kind = isOccupied ? 'occupied' : 'vacated';
    changes.push({ kind, channel: presenceChannel.channel, sequence: ++this.#channelsSequence });
  }

  /**
   * Marks the present state of a member as announced. Returns the number of sessions announced
   * before.
   */
  #markAnnounced(member: PresenceMember, wallMs: number): number {
    const { presenceChannel, user, announcedSessions: announcedBefore } = member;
    member.announcedSessions = sessionCount(member);
    const info = this.#infos.acquire(member.info);
    this.#infos.release(member.announcedInfo);
    member.announcedInfo = info;
    if (announcedBefore === 0) member.sinceMs = wallMs;
    if (user !== undefined)
      presenceChannel.announcedUserCount += Math.sign(member.announcedSessions) - Math.sign(announcedBefore);
    presenceChannel.invalidateList();
    return announcedBefore;
  }
}

/** The present counts as a change. From now on they count as announced. */
function countChange(presenceChannel: PresenceChannel): PresenceChange {
  presenceChannel.lastUserCount = presenceChannel.announcedUserCount;
  presenceChannel.lastAnonymousCount = presenceChannel.anonymous?.announcedSessions ?? 0;
  const { channel, lastUserCount: users, lastAnonymousCount: anonymous, isListed } = presenceChannel;
  return { kind: 'count', channel, users, anonymous, isListed };
}
